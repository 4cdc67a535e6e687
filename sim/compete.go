package sim

import (
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/rival"
)

// A rivalClient is the caller's side of somebody else's overload control: of the
// stage that calls, or of a source with a purse. The zero rivalClient lets
// everything pass.
type rivalClient struct {
	stage rival.Controller
	index int // of the call, among the stage's
	purse *rival.Purse
}

// sends reports whether an attempt may be sent, and gives it its tokens.
func (r *rivalClient) sends(now mono.Time, c *call) bool {
	switch {
	case r.stage != nil:
		return r.stage.Sends(r.index, c.rivalAsk())
	case r.purse != nil:
		var ok bool
		c.tokens, ok = r.purse.Draw(now)
		return ok
	}
	return true
}

// heard takes what a callee told.
func (r *rivalClient) heard(said int64) {
	switch {
	case r.stage != nil:
		r.stage.Heard(r.index, said)
	case r.purse != nil:
		r.purse.Heard(said)
	}
}

// rivalAsk is the request as a rival's control sees it.
func (c *call) rivalAsk() rival.Ask {
	return rival.Ask{Priority: rival.PriorityOf(c.work), Tokens: c.tokens}
}
