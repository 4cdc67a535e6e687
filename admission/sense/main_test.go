package sense_test

import (
	"testing"

	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) {
	beTheChild() // does not return in the child of TestStolenTime
	leak.Main(m)
}
