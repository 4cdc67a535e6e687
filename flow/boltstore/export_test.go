package boltstore

import "time"

// SetSlack makes the cleaner begin early.
func SetSlack(s *Store, records int, chunkBytes int64) {
	s.logSlack, s.chunkSlack = records, chunkBytes
}

// SetNoSync makes the store one that does not sync.
func SetNoSync(s *Store, off bool) { s.noSync = off }

// SetHalf makes journals whose halves have so many bytes.
func SetHalf(s *Store, bytes int64) { s.half = bytes }

// SetAvailable replaces what the disk is asked.
func SetAvailable(s *Store, f func(string) (int64, error)) { s.avail = f }

// File and Files are what a journal is kept in.
type (
	File  = file
	Files = files
)

// OSFiles are the operating system's.
var OSFiles Files = osFiles{}

// SetFiles puts others in their place.
func SetFiles(s *Store, f Files) { s.files = f }

// SetAlone lets a store fold only in those calls that must.
func SetAlone(s *Store) { s.kick, s.idle = nil, time.Hour }

// Unfolded is how many bytes the journal holds that the file lacks.
func Unfolded(s *Store) (bytes int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range s.halves {
		bytes += h.end
	}
	return bytes
}
