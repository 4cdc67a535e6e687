package pressure_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pressure"
)

// A book agrees with a list that is searched from its front.
func bookModel(t *rapid.T) {
	most := rapid.IntRange(1, 5).Draw(t, "most")
	book := pressure.NewBook[int](most)
	type row struct {
		callee, route string
		value         *int
	}
	var model []row
	for i := range rapid.IntRange(1, 60).Draw(t, "asks") {
		callee, route := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "callee"), rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "route")
		created := false
		got := book.Of(callee, route, func() *int { created = true; return &i })
		at := slices.IndexFunc(model, func(r row) bool { return r.callee == callee && r.route == route })
		if created != (at < 0) {
			t.Fatalf("%q %q: made anew: %v; the model has it at %d", callee, route, created, at)
		}
		want := row{callee, route, got}
		if at >= 0 {
			if model[at].value != got {
				t.Fatalf("%q %q: another value", callee, route)
			}
			model = slices.Delete(model, at, at+1)
		}
		model = slices.Insert(model, 0, want)
		model = model[:min(len(model), most)]
		var rows []row
		book.Each(func(callee, route string, v *int) bool { rows = append(rows, row{callee, route, v}); return true })
		if !slices.Equal(rows, model) || book.Len() != len(model) {
			t.Fatalf("the book has %v; want %v", rows, model)
		}
	}
}

func TestBookModel(t *testing.T) { rapid.Check(t, bookModel) }
func FuzzBookModel(f *testing.F) { f.Fuzz(rapid.MakeFuzz(bookModel)) }

// TestBookOfStrangers: thousands of callees and routes, some of them endless, do
// not make it grow.
func TestBookOfStrangers(t *testing.T) {
	book := pressure.NewBook[int](100)
	for i := range 10_000 {
		book.Of("callee"+strconv.Itoa(i%100), strings.Repeat("/", 100_000)+strconv.Itoa(i), func() *int { return new(int) })
		book.Of("callee", "/"+strconv.Itoa(i), func() *int { return new(int) })
	}
	if book.Len() != 100 {
		t.Errorf("%d entries; want 100", book.Len())
	}
	book.Each(func(callee, route string, _ *int) bool {
		if len(callee) > pressure.MaxKeyBytes || len(route) > pressure.MaxKeyBytes {
			t.Errorf("keys of %d and %d bytes; want at most %d", len(callee), len(route), pressure.MaxKeyBytes)
		}
		return true
	})
}

func TestNewBookPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a book without room was made")
		}
	}()
	pressure.NewBook[int](0)
}
