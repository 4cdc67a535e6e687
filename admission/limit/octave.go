package limit

import (
	"fmt"
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of the default law. None is sharp: halving or doubling one
// changes goodput by a few per cent on some plants (docs/laws.md).
const (
	defaultStart     = 16   // slots before anything was measured
	defaultFloor     = 1    // never below: a limit of 1 still learns
	windowReplies    = 24   // replies that make a window, or one per slot if more,
	repliesPerSlot   = 8    // or so many per slot if fewer: at the floor a reply is precious
	fullShare        = 0.8  // work counts as sent "with the limit full" from this share on
	slowLimit        = 200  // a window leaves out the slowest limit/200 of its work,
	slowLeast        = 0.05 // a twentieth at least
	slowMost         = 0.2  // and a fifth at most
	targetRatio      = 1.4  // keep the limit where halving it shortens a reply by this factor,
	headroom         = 1.25 // and so many square roots of it above
	latePower        = 4    // how sharply late replies shrink the target
	maxStep          = 2.0  // most that one window may change the target, either way
	gain             = 0.25 // how far towards the target a window moves the limit
	dipSoon          = 4    // a new reference is measured again after so many windows,
	dipEvery         = 128  // then after twice as many each time, up to this
	dipMoved         = 1.4  // and soon again once the limit has moved by this factor
	referenceMemory  = 4    // most dips that the old reference counts for when a dip repeats its level
	referenceLow     = 0.25 // a reference counts while its level is this share of the window's
	referenceHigh    = 0.75 // up to this
	lateMemory       = 1.0 / 16
	lateCut          = 0.5 // halve when more than this share of recent replies is late
	windowsKept      = 6
	windowPatience   = 8    // reply times for which a window waits for the last of its work
	sameLevelRatio   = 1.4  // levels within this factor are one level
	hardlyScatters   = 0.25 // coefficient of variation of replies that hardly scatter, as
	scatterMemory    = 0.25 // their moving mean over windows: then
	kneeRatio        = 1.2  // where halving the limit would shorten a reply by more than this,
	kneeSlack        = 1.05 // the knee and a little more is tried,
	kneeKeeps        = 0.97 // and is kept to if it does this share of the work
	timeScaleSamples = 16
)

// octave is the law that infers: see [Default].
type octave struct {
	limit float64
	most  float64
	now   mono.Time // latest instant seen

	ref     reference
	windows [windowsKept]reference // the latest windows, as candidates for a reference
	kept    int                    // how many of them are set
	newest  int                    // index of the latest

	w   window
	dip struct {
		started mono.Time
		every   int     // windows between the last and the next
		left    int     // windows until the next
		limit   float64 // at the last, or when it was doubted; 0 before
	}

	// knee says that the server has a sharp one, and that the limit keeps close to it;
	// trial is what is to show it.
	knee    bool
	scatter float64 // moving coefficient of variation of the replies in a window
	trial   struct {
		due     bool    // since a dip found what the last had
		level   float64 // slots
		through float64 // units a second with the limit as it was
	}

	late    float64   // moving share of late replies, over work sent after the last cut
	cutAt   mono.Time // instant of the last cut
	hasCut  bool
	meanFor time.Duration // moving mean of reply times: the law's own time scale

	slow float64 // share of a window's work that it does not wait for, as of the last dip
	said finding // what last moved the limit, for Explain
}

// A finding is what moved the limit last.
type finding struct {
	note     string
	got, ref reference // set where a window was compared
	ratio    float64
}

// A reference is a mean reply time at a level of work in flight.
type reference struct {
	level  float64 // geometric mean of the slots taken at dispatch
	mean   float64 // seconds
	weight float64 // replies behind a window, dips behind a reference; past windows count as one dip
	set    bool
}

type kind uint8

const (
	windowKind kind = iota // at the limit
	dipKind                // at half of it
	trialKind              // where a sharp knee would be
)

// A window watches the first max(24, level) dispatches (fewer below three slots) that fill the level,
// until nearly all are answered: of a few, judging sooner would judge the quick ones.
// Of many the slowest may stay out, if they do in what the window is compared with.
type window struct {
	kind     kind
	level    float64   // the limit in force
	fill     int       // work sent with so many slots taken fills the level
	want     int       // dispatches to tag
	after    mono.Time // only what is sent later is tagged: its instant is all that tells
	opened   mono.Time
	openSet  bool // the first dispatch has been tagged
	tagged   int
	closed   mono.Time // when the last was tagged
	full     bool      // tagged == want
	answered int       // tagged and back, those that count
	void     int       // tagged and back, saying nothing
	late     int
	sumLog   float64 // sum of ln(slots taken) over the tagged
	sumTime  float64 // seconds of their own, over the answered
	sumSq    float64 // the sum of the squares of that
	sumWhole float64 // seconds with those that they were away, too
	sumStart float64 // seconds since opened, over the tagged not yet back
}

// out is how much of the work it tagged is not back.
func (w *window) out() int { return w.tagged - w.answered - w.void }

func newOctave(limit, most float64) *octave {
	o := &octave{limit: max(defaultFloor, limit), most: most, scatter: 1, now: mono.Distant, slow: slowLeast}
	o.dip.every, o.dip.left = dipSoon, dipSoon
	o.open(windowKind)
	return o
}

func (o *octave) open(k kind) {
	level := o.limit
	switch k {
	case windowKind:
	case dipKind:
		level = max(defaultFloor, o.limit/2)
		o.slow = min(max(slowLeast, o.limit/slowLimit), slowMost)
	case trialKind:
		level = max(defaultFloor, o.trial.level)
	}
	// A level of 1.4 is one slot, and is full when that is taken.
	slots := max(1, math.Round(level))
	o.w = window{
		kind: k, level: level, after: o.now, fill: int(math.Ceil(fullShare * slots)),
		want: max(min(windowReplies, repliesPerSlot*int(slots)), int(level)),
	}
}

// Limit is the limit, or less of it during a dip or a trial.
func (o *octave) Limit() float64 { return o.w.level }

// Dipping reports whether the limit is less than what it was, to measure.
func (o *octave) Dipping() bool { return o.w.kind != windowKind }

// Start tags work that fills the level.
func (o *octave) Start(now mono.Time, inFlight int) {
	o.now = now
	w := &o.w
	if inFlight < w.fill || now <= w.after || w.full && now > w.closed {
		return // what is sent at the instant at which the last was tagged is tagged, too
	}
	if !w.openSet {
		w.opened, w.openSet = now, true
	}
	w.tagged++
	w.closed = now
	w.full = w.tagged >= w.want
	w.sumLog += math.Log(float64(inFlight))
	w.sumStart += now.Sub(w.opened).Seconds()
}

// has reports whether the window tagged the work behind s.
func (w *window) has(s *Sample) bool {
	return w.openSet && s.Started >= w.opened && s.Started <= w.closed &&
		s.InFlightAtStart >= w.fill && w.answered+w.void < w.tagged
}

// Observe takes one end of work. The sample is the caller's to keep: a copy costs
// as much as the rest.
func (o *octave) Observe(now mono.Time, s *Sample) {
	o.now = now
	took := max(0, now.Sub(s.Started))
	if s.Outcome == penstock.OK || s.Late {
		if o.meanFor == 0 {
			o.meanFor = took
		}
		o.meanFor += (took - o.meanFor) / timeScaleSamples
	}
	if o.w.has(s) {
		o.count(now, s, took)
	}
	if o.cut(now, s) {
		return
	}
	if o.w.full && float64(o.w.answered+o.w.void) >= (1-o.slow)*float64(o.w.tagged) {
		o.judge(now)
	}
}

func (o *octave) count(now mono.Time, s *Sample, took time.Duration) {
	w := &o.w
	w.sumStart -= s.Started.Sub(w.opened).Seconds()
	switch {
	case s.Outcome == penstock.Dropped && !s.Late:
		// The callee said that it is overloaded. How quickly it said so is
		// nothing to learn from; that it did is.
		w.late++
		w.void++
	case s.Outcome == penstock.Ignored && !s.Late:
		w.void++
	default:
		own := s.Own(now).Seconds()
		w.sumTime += own
		w.sumSq += own * own
		w.sumWhole += took.Seconds()
		w.answered++
		if s.Outcome == penstock.Dropped {
			w.late++
		}
	}
}

// cut halves the limit when most of the work sent since the last cut is late.
// It works when every sample is a timeout, and needs no window.
func (o *octave) cut(now mono.Time, s *Sample) bool {
	if o.hasCut && s.Started <= o.cutAt || s.Outcome == penstock.Ignored {
		return false
	}
	x := 0.0
	if s.Outcome == penstock.Dropped {
		x = 1
	}
	o.late += lateMemory * (x - o.late)
	if o.late <= lateCut {
		return false
	}
	o.limit = max(defaultFloor, min(o.limit, float64(s.InFlightAtStart))/2)
	o.late, o.cutAt, o.hasCut, o.knee = 0, now, true, false
	o.said = finding{note: "halved, as most recent replies were late"}
	o.open(windowKind)
	return true
}

func (o *octave) judge(now mono.Time) {
	w := &o.w
	live := w.tagged - w.void
	// Those still out count with their age, as far as it is their own.
	ages := float64(w.out())*now.Sub(w.opened).Seconds() - w.sumStart
	if w.sumTime < w.sumWhole {
		ages *= w.sumTime / w.sumWhole
	}
	got := reference{
		level:  math.Exp(w.sumLog / float64(w.tagged)),
		mean:   (w.sumTime + max(0, ages)) / float64(max(1, live)),
		weight: float64(live),
		set:    live > 0 && w.answered > 0,
	}
	if got.set {
		mean := w.sumTime / float64(w.answered)
		scatter := math.Sqrt(max(0, w.sumSq/float64(w.answered)-mean*mean)) / max(mean, 1e-9)
		o.scatter += scatterMemory * (scatter - o.scatter)
	}
	late := float64(w.late) / float64(w.tagged)
	was := w.kind
	switch {
	case was == dipKind:
		o.refer(got)
	case was == trialKind:
		o.knee = got.set && late == 0 && got.level >= kneeKeeps*o.trial.through*got.mean
	case got.set:
		o.dip.left--
		o.remember(got)
		o.move(got, late)
		o.doubt()
	case late > 0: // nothing but refusals by the callee
		o.apply(0, late)
	}
	o.open(windowKind)
	switch {
	case was != windowKind:
	case o.wantsDip():
		o.dip.started = now
		o.open(dipKind)
	case o.wantsTrial(got, late):
		o.dip.started = now
		o.open(trialKind)
	}
}

// wantsTrial reports whether to try the limit where the server would just be busy if
// it had a sharp knee, as workers behind a queue have: by Little's law, where what is
// inside takes no longer than the reference did. It also sees whether a knee that was
// found is still there.
func (o *octave) wantsTrial(got reference, late float64) bool {
	ratio := o.said.ratio
	if o.knee {
		o.knee = late == 0 && o.scatter < 2*hardlyScatters && ratio > 1/kneeKeeps
		return false
	}
	if !o.trial.due || late > 0 || o.scatter >= hardlyScatters || ratio < kneeRatio {
		return false
	}
	o.trial.due = false
	o.trial.through = got.level / max(got.mean, 1e-9)
	o.trial.level = math.Ceil(kneeSlack * o.trial.through * o.ref.mean)
	return o.trial.level < got.level
}

// doubt has the reference measured again soon, once the limit has moved that far
// since: either it was wrong, or the server has changed, or others who share it have.
func (o *octave) doubt() {
	if was := o.dip.limit; was > 0 && max(o.limit/was, was/o.limit) > dipMoved {
		o.dip.left, o.dip.limit = min(o.dip.left, dipSoon), o.limit
	}
}

// refer takes a dip's result as the reference. A lucky first one would freeze the
// limit, so it is measured again soon, and what repeats is averaged.
func (o *octave) refer(got reference) {
	o.dip.limit = o.limit
	o.dip.every = min(2*o.dip.every, dipEvery)
	r := o.ref
	switch {
	case !got.set:
		o.dip.left = o.dip.every
		return
	case r.set && r.level < got.level*sameLevelRatio && got.level < r.level*sameLevelRatio:
		old := min(r.weight, referenceMemory) / (min(r.weight, referenceMemory) + 1)
		got.level = math.Exp(old*math.Log(r.level) + (1-old)*math.Log(got.level))
		got.mean = old*r.mean + (1-old)*got.mean
		got.weight = r.weight + 1
		o.trial.due = true
	default:
		got.weight = 1
		o.dip.every = dipSoon
	}
	if o.knee {
		o.dip.every = dipEvery // which doubt makes sooner
	}
	o.ref, o.dip.left = got, o.dip.every
}

func (o *octave) remember(got reference) {
	o.newest = (o.newest + 1) % windowsKept
	o.windows[o.newest] = got
	o.kept = min(o.kept+1, windowsKept)
}

// usable returns the reference to compare a window at level with: the last
// dip's while it is at about half the level, else the mean of the past windows
// that are.
func (o *octave) usable(level float64) reference {
	half := func(r reference) bool {
		return r.set && r.level >= referenceLow*level && r.level <= referenceHigh*level
	}
	if half(o.ref) {
		return o.ref
	}
	var sum reference
	for _, r := range o.windows {
		if half(r) {
			sum.level += r.weight * math.Log(r.level)
			sum.mean += r.weight * r.mean
			sum.weight += r.weight
		}
	}
	if sum.weight == 0 {
		return reference{}
	}
	return reference{level: math.Exp(sum.level / sum.weight), mean: sum.mean / sum.weight, weight: 1, set: true}
}

// wantsDip counts in windows and not in time: a dip in an outage may have taken
// minutes, and what it found is wrong soon after.
func (o *octave) wantsDip() bool {
	if o.limit < 1.5 {
		return false
	}
	return o.dip.left <= 0 || !o.usable(o.limit).set
}

// move applies the law to a window's result.
func (o *octave) move(got reference, late float64) {
	ref := o.usable(got.level)
	if !ref.set {
		if o.limit >= 1.5 {
			o.shrink(late)
			o.dip.left = 0 // one follows, though the limit may still be within reach of a reference
			return
		}
		o.said = finding{note: "growing, as there is no reference yet"}
		o.apply(1, late)
		return
	}
	if ref != o.ref { // what was passed on the way is not known as well as what a dip finds
		o.ref = ref
		o.dip.every, o.dip.left = dipSoon, min(o.dip.left, dipSoon)
	}
	ratio := got.mean / max(ref.mean, 1e-9)
	if ref.level > got.level/2 {
		// The reference is nearer than an octave: stretch what was seen to one.
		ratio = math.Pow(ratio, math.Ln2/math.Log(got.level/ref.level))
	}
	o.said = finding{got: got, ref: ref, ratio: ratio}
	o.apply(ratio, late)
}

// shrink answers late replies while there is no reference to steer by.
func (o *octave) shrink(late float64) {
	if late > 0 {
		o.limit = max(defaultFloor, o.limit*max(1/maxStep, math.Pow(1-late, latePower)))
		o.said = finding{note: "shrinking, as replies are late and there is no reference yet"}
	}
}

// apply moves the limit part of the way (in logarithm) to x and its headroom, where
// x is the limit corrected by the ratio found. Close to a knee the margins are half as
// wide, and a window moves it twice as far.
func (o *octave) apply(ratio, late float64) {
	target, room, gain := targetRatio, headroom, gain
	if o.knee {
		target, room, gain = math.Sqrt(target), room/2, 2*gain
	}
	step := maxStep
	if ratio > 0 {
		step = target / ratio
	}
	step *= math.Pow(1-late, latePower)
	x := o.limit * min(max(step, 1/maxStep), maxStep)
	to := x + room*math.Sqrt(x)
	if late > lateCut {
		to = min(to, o.limit) // the headroom of a small limit is more than the cut
	}
	o.limit = min(max(defaultFloor, o.limit*math.Pow(to/o.limit, gain)), o.most)
}

// ends is when a window is waited for no longer: those of its work that are still
// out some reply times after the last hang, perhaps for ever. A dip also ends when
// nothing has filled it for so long: then half the limit is enough for the load, and
// there is nothing to compare.
func (o *octave) ends() (mono.Time, bool) {
	since := o.dip.started
	switch {
	case o.w.full, o.w.kind != windowKind && o.w.openSet:
		since = o.w.closed
	case o.w.kind == windowKind:
		return 0, false
	}
	return since.Add(windowPatience * max(o.meanFor, time.Millisecond)), true
}

// Next is when a window is waited for no longer.
func (o *octave) Next() (mono.Time, bool) { return o.ends() }

// Step ends a window whose time has run out.
func (o *octave) Step(now mono.Time) {
	if at, ok := o.ends(); !ok || now < at {
		return
	}
	if o.w.full || o.w.out() >= o.w.fill {
		// Slow replies fill a dip, and not too little load. They count with their age:
		// to leave them out would make a reference of the quick ones.
		o.judge(now)
		return
	}
	if o.w.kind == dipKind {
		o.dip.every, o.dip.left = dipEvery, dipEvery
	}
	o.open(windowKind)
}

// Explain says what the last window found.
func (o *octave) Explain() string {
	state := "at the limit"
	switch {
	case o.w.kind == dipKind:
		state = "in a dip to measure the reference"
	case o.w.kind == trialKind:
		state = "trying whether less does as much"
	case o.knee:
		state = "at the limit, close to a sharp knee"
	}
	said := o.said.note
	switch {
	case o.said.got.set:
		f := o.said
		said = fmt.Sprintf("replies took %.3g ms at %.1f in flight and %.3g ms at %.1f, a factor of %.2f per doubling against the %.1f aimed at",
			f.got.mean*1e3, f.got.level, f.ref.mean*1e3, f.ref.level, f.ratio, targetRatio)
	case said == "":
		said = "nothing measured yet"
	}
	held := ""
	if o.limit == o.most {
		held = fmt.Sprintf("held at %g by configuration; ", o.most)
	}
	return fmt.Sprintf("%slimit %.1f, %s; %s", held, o.limit, state, said)
}
