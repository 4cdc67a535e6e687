package limit

// Default returns the law that needs no number.
func Default() Law { return Fixed(16) }
