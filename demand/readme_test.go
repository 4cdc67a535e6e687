package demand_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/demand"
)

// An Entry is a line of the README's log.
type Entry struct{ Name, Place string }

func parse(line string) (Entry, error) {
	if line == "" {
		return Entry{}, errors.New("an empty line")
	}
	return Entry{Name: line}, nil
}

func lookUp(_ context.Context, e Entry) (Entry, error) {
	e.Place = strings.ToUpper(e.Name)
	return e, nil
}

// pour is what the README shows, word by word: TestReadmePrograms compares.
func pour(ctx context.Context, insert func([]Entry)) error {
	lines := demand.Lines(os.Stdin, 4096)
	entries := demand.TryMap(lines, parse).Named("parse")
	enriched := demand.MapN(entries.Async(), 8, lookUp, demand.InOrder(demand.Unordered))
	batches := demand.Batch(enriched, demand.BatchConfig[Entry]{Count: 1000, Within: time.Second})
	for batch, err := range batches.All(ctx) {
		if err != nil {
			return err // which stage, and why
		}
		insert(batch)
	}
	return nil
}

func TestReadme(t *testing.T) {
	stdin := os.Stdin
	t.Cleanup(func() { os.Stdin = stdin })
	for text, bad := range map[string]bool{"ann\nbob\ncarl\n": false, "ann\n\n": true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdin = r
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		places := map[string]bool{}
		err = pour(t.Context(), func(batch []Entry) {
			for _, e := range batch {
				places[e.Place] = true
			}
		})
		stage, failed := errors.AsType[*demand.StageError](err)
		if failed != bad || bad && stage.Stage != "parse" || !bad && (err != nil || len(places) != 3 || !places["CARL"]) {
			t.Errorf("%q: %v, %v", text, places, err)
		}
		_ = r.Close()
	}
}
