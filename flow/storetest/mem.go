package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/penstock-go/penstock/flow"
)

// A Mem is a store in memory: the plainest there is, for tests of what stands on
// a store. It survives Close, and nothing else. The zero Mem is empty.
type Mem struct {
	// Fail, if it is set, is asked before each commit; an error is returned and
	// nothing is stored.
	Fail func(changes []flow.Change) error

	mu      sync.Mutex
	epoch   uint64
	content Content
}

var _ flow.Store = (*Mem)(nil)

// Open implements [flow.Store].
func (m *Mem) Open(context.Context) (uint64, []flow.Definition, iter.Seq2[flow.Item, error], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.content.Payloads == nil {
		m.content.Payloads = map[uint64][]byte{}
	}
	m.epoch++
	items := slices.Clone(m.content.Items)
	return m.epoch, slices.Clone(m.content.Defs), func(yield func(flow.Item, error) bool) {
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}, nil
}

// Commit implements [flow.Store].
func (m *Mem) Commit(_ context.Context, changes []flow.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.content.Payloads == nil {
		return errors.New("storetest: not open")
	}
	if m.Fail != nil {
		if err := m.Fail(changes); err != nil {
			return err
		}
	}
	for _, c := range changes {
		m.content.Apply(c)
	}
	return nil
}

// Payload implements [flow.Store].
func (m *Mem) Payload(_ context.Context, no uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.content.Payloads[no]
	if !ok {
		return nil, fmt.Errorf("%w: number %d", flow.ErrUnknownItem, no)
	}
	return slices.Clone(p), nil
}

// Close implements [flow.Store].
func (m *Mem) Close() error { return nil }

// Content copies what the store holds.
func (m *Mem) Content() Content {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.content.Clone()
}
