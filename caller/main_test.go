package caller_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const ms = time.Millisecond
