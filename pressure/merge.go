package pressure

// Merge is what a consumer tells of itself once it knows what those say that its
// work needs: a caller is best refused where its way begins, so the fuller level,
// the higher price and the longer retry count. Delay stays the consumer's own:
// it moves the limit in front of this consumer, and a limit belongs to one hop.
//
// Give it only callees without which the work is worth nothing. Where an answer
// can do without one, its pressure is no reason to refuse the whole.
func Merge(own, callee Signal) Signal {
	own, callee = own.Clamp(), callee.Clamp()
	own.Level = max(own.Level, callee.Level)
	own.Price = max(own.Price, callee.Price)
	own.Retry = max(own.Retry, callee.Retry)
	return own
}
