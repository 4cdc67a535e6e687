package micro

import (
	"errors"
	"testing"
)

// A subject is what is measured. once admits and completes one unit of work, and
// returns an error if it was refused.
type subject struct {
	name string
	new  func(b *testing.B) (once func() error)
}

// BenchmarkAdmit: admit and complete, one caller.
func BenchmarkAdmit(b *testing.B) {
	for _, s := range admitters() {
		b.Run(s.name, func(b *testing.B) {
			once := s.new(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := once(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAdmitParallel: the same from as many goroutines as there are processors.
func BenchmarkAdmitParallel(b *testing.B) {
	for _, s := range admitters() {
		b.Run(s.name, func(b *testing.B) {
			once := s.new(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := once(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkRefuse: one unit of work too many.
func BenchmarkRefuse(b *testing.B) {
	for _, s := range refusers() {
		b.Run(s.name, func(b *testing.B) {
			once := s.new(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := once(); err == nil {
					b.Fatal("admitted")
				}
			}
		})
	}
}

var errRefused = errors.New("refused")

// TestSubjects: everybody admits what is to be admitted, and refuses what is not.
func TestSubjects(t *testing.T) {
	try := func(kind string, subjects []subject, right func(error) bool) {
		for _, s := range subjects {
			tried := 0
			testing.Benchmark(func(b *testing.B) {
				if tried > 0 {
					return // once is enough
				}
				for once := s.new(b); tried < 100; tried++ {
					if err := once(); !right(err) {
						t.Fatalf("%s %s: %v", s.name, kind, err)
					}
				}
			})
			if tried == 0 {
				t.Errorf("%s %s: it could not be set up", s.name, kind)
			}
		}
	}
	try("admits", admitters(), func(err error) bool { return err == nil })
	try("refuses", refusers(), func(err error) bool { return err != nil })
}
