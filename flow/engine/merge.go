package engine

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/penstock-go/penstock/flow"
)

// mergePayload makes one payload of two.
func (e *Engine) mergePayload(ctx context.Context, p *flow.Proposal) error {
	later := p.Change.Payload
	if p.Source != 0 && !p.Change.HasPayload {
		var err error
		if later, err = e.store.Payload(ctx, p.Source); err != nil {
			return err
		}
	}
	if p.Conflate == flow.ConflateMerge {
		earlier, err := e.store.Payload(ctx, p.Change.Item.No)
		if err != nil {
			return err
		}
		later = merge(earlier, later)
	}
	p.Change.Payload, p.Change.HasPayload = later, true
	p.Change.Item.Size = int32(len(later))
	return nil
}

// merge puts the fields of the later JSON object into the earlier, as a merge
// patch does (RFC 7396). If either is no object the later one stands alone.
func merge(earlier, later []byte) []byte {
	a, okA := object(earlier)
	b, okB := object(later)
	if !okA || !okB {
		return later
	}
	out, err := json.Marshal(patch(a, b))
	if err != nil {
		return later
	}
	return out
}

func object(b []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // numbers stay as they are written
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	m, ok := v.(map[string]any)
	return m, ok
}

func patch(a, b map[string]any) map[string]any {
	for k, v := range b {
		if v == nil {
			delete(a, k)
			continue
		}
		if inner, ok := v.(map[string]any); ok {
			old, _ := a[k].(map[string]any)
			if old == nil {
				old = map[string]any{}
			}
			a[k] = patch(old, inner)
			continue
		}
		a[k] = v
	}
	return a
}
