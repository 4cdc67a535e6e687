package boltstore

// SetSlack makes the cleaner begin early.
func SetSlack(s *Store, records int, chunkBytes int64) {
	s.logSlack, s.chunkSlack = records, chunkBytes
}

// SetNoSync makes the store one that does not sync.
func SetNoSync(s *Store, off bool) { s.noSync = off }
