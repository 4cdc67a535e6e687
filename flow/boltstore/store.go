package boltstore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/penstock-go/penstock/flow"
)

// Format is the version of the file's format that this package writes and reads.
// It reads 2 as well, which knows no journal.
const Format = 3

// Options tune a store. The zero Options are right for production.
type Options struct {
	// MaxBytes bounds what the file holds; nothing new is taken in within 4 MiB of
	// it. What is in may still move, which may make the file larger by what the
	// journal holds, and the file grows by 16 MiB at a time. 0 means that the disk
	// alone bounds it.
	MaxBytes int64
	// Wall reads the wall clock; nil means the system's. What is remembered of
	// ended items is forgotten by it.
	Wall func() flow.Wall
	// CacheBytes bounds what is kept in memory of the payloads that were written
	// last: most are asked for soon. Default 64 MiB; below 0 none is kept.
	CacheBytes int64
	// LockWait is how long Open waits for another process to release the file.
	// Default 1 s.
	LockWait time.Duration
}

// A Store is a [flow.Store] in one file, with a journal beside it while it is open.
//
// Locks are taken in the order commit, bolt, mu.
type Store struct {
	path   string
	opts   Options
	files  files
	half   int64                            // of a journal that is made
	idle   time.Duration                    // see idleFold
	avail  func(path string) (int64, error) // what the disk has left
	noSync bool                             // for the test that must find it

	commit  sync.Mutex // one commit at a time; guards what follows
	db      *bolt.DB   // changed with all locks
	journal *journal
	epoch   uint64
	seq     uint64 // of the last commit
	writer  writer
	stop    chan struct{} // closed to end foldLoop
	folded  chan struct{} // closed when it has ended
	kick    chan struct{} // something is sealed; never more than one token

	bolt       sync.Mutex // one transaction at a time; guards what follows
	log        batch
	rec        []byte
	chunks     []chunk // of the transaction at work
	common     names
	logSlack   int // how much garbage is left alone
	chunkSlack int64

	mu      sync.RWMutex // guards the rest
	closing bool
	broken  error
	short   error // why the last fold had no room
	size    int64 // of the file, as far as it is used
	free    int64 // of that, not used
	halves  [2]*half
	active  *half             // that commits go to
	sealed  *half             // that is being folded, or nil
	index   map[uint64]loc    // of what the file holds; changed with bolt as well
	ended   map[string]*ended // by flow
	sizes   map[uint64]*usage // of chunks
	usage   counts
	cache   cache
}

var _ flow.Store = (*Store)(nil)

// counts say how much of the file is garbage.
type counts struct {
	records   int   // in the log
	chunkSize int64 // in chunks
	chunkLive int64 // of that, current
	nextLog   uint64
	nextChunk uint64
}

type usage struct{ size, live int64 }

// ended bounds what is remembered of one flow, in order of ending.
type ended struct {
	max int
	nos []uint64
}

var (
	metaBucket  = []byte("penstock")
	flowsBucket = []byte("flows")
	logBucket   = []byte("log")
	chunkBucket = []byte("chunks")
	formatKey   = []byte("format")
	epochKey    = []byte("epoch")
	stateKey    = []byte("journal")
)

// New returns a store of the file at path, which need not exist. Open opens it.
func New(path string, opts Options) *Store {
	if opts.Wall == nil {
		opts.Wall = func() flow.Wall {
			return flow.WallOf(time.Now()) //nolint:forbidigo // what is remembered is forgotten by the wall clock
		}
	}
	if opts.LockWait <= 0 {
		opts.LockWait = time.Second
	}
	if opts.CacheBytes == 0 {
		opts.CacheBytes = cacheBytes
	}
	return &Store{
		path: path, opts: opts, files: osFiles{}, half: halfBytes, idle: idleFold, avail: available,
		logSlack: logSlack, chunkSlack: chunkSlack, kick: make(chan struct{}, 1),
	}
}

// create makes a file that is not there aside, and gives it its name when it is
// whole: a crash meanwhile leaves no half of a file.
func (s *Store) create() error {
	if _, err := os.Stat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else may be wrong is found when it is opened
	}
	aside := fmt.Sprintf("%s.%d.new", s.path, os.Getpid())
	db, err := bolt.Open(aside, 0o600, s.boltOptions(false))
	if err != nil {
		return err
	}
	defer os.Remove(aside) //nolint:errcheck // it has its name, or is of no use
	if err := errors.Join(db.Sync(), db.Close()); err != nil {
		return err
	}
	// A link fails where another process was faster; a rename would take its file
	// away.
	if err := os.Link(aside, s.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (s *Store) boltOptions(readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout: s.opts.LockWait, ReadOnly: readOnly,
		NoSync: s.noSync, NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
		InitialMmapSize: 1 << 28, // so that it is seldom mapped anew, which waits for readers
	}
}

// readEpoch returns the epoch of the latest Open, or 0 in a new file.
func readEpoch(meta *bolt.Bucket) (uint64, error) {
	b, err := opened(meta.Get(epochKey))
	if err != nil {
		return 0, fmt.Errorf("%w: the epoch %w", errCorrupt, err)
	}
	return unkey(b), nil
}

func putEpoch(meta *bolt.Bucket, epoch uint64) error {
	return meta.Put(epochKey, seal(append(make([]byte, sealSize), key(epoch)...)))
}

func definitions(tx *bolt.Tx) (defs []flow.Definition, err error) {
	err = tx.Bucket(flowsBucket).ForEach(func(k, v []byte) error {
		var d flow.Definition
		b, err := opened(v)
		if err == nil {
			err = json.Unmarshal(b, &d)
		}
		if err == nil && d.Name != string(k) {
			err = fmt.Errorf("is of flow %.64q", d.Name)
		}
		if err != nil {
			return fmt.Errorf("%w: the definition of flow %.64q: %w", errCorrupt, k, err)
		}
		defs = append(defs, d)
		return nil
	})
	return defs, err
}

// scan reads the log, without names and payloads, into the index.
func (s *Store) scan(tx *bolt.Tx) error {
	c := tx.Bucket(logBucket).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		at := unkey(k)
		err := records(at, v, func(rec []byte) error {
			no, l, _, err := decodeLoc(rec, at)
			if err != nil {
				return err
			}
			s.usage.records++
			if old, ok := s.index[no]; !ok || l.hop >= old.hop {
				s.index[no] = l
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.usage.nextLog = at
	}
	chunks := tx.Bucket(chunkBucket).Cursor()
	for k, v := chunks.First(); k != nil; k, v = chunks.Next() {
		at := unkey(k)
		s.sizes[at] = &usage{size: int64(len(v))}
		s.usage.chunkSize += int64(len(v))
		s.usage.nextChunk = at
	}
	for no, l := range s.index {
		if l.ended {
			continue
		}
		u := s.sizes[l.chunk]
		if u == nil {
			return fmt.Errorf("%w: chunk %d with the payload of item %d is missing", errCorrupt, l.chunk, no)
		}
		u.live += l.framed()
		s.usage.chunkLive += l.framed()
	}
	return nil
}

// items yields the current records.
func (s *Store) items(db *bolt.DB) iter.Seq2[flow.Item, error] {
	return func(yield func(flow.Item, error) bool) {
		errStop := errors.New("stop")
		now, common := s.opts.Wall(), names{}
		s.mu.Lock()
		garbage := s.usage.records != len(s.index) // else every record is current
		s.mu.Unlock()
		err := db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(logBucket).Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				at := unkey(k)
				err := records(at, v, func(rec []byte) error {
					if garbage && !s.current(rec, at) {
						return nil
					}
					it, err := decodeItem(rec, at, common)
					if err != nil {
						return err
					}
					if it.State == flow.Ended && !s.remember(it, now) {
						return nil
					}
					if !yield(it, nil) {
						return errStop
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(flow.Item{}, err)
		}
	}
}

// current reports whether a record is its item's latest. One that cannot be read
// is, so that reading it says why.
func (s *Store) current(rec []byte, at uint64) bool {
	no, l, _, err := decodeLoc(rec, at)
	if err != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cur, ok := s.index[no]
	return ok && cur == l
}

// remember reports whether an ended item is still to be remembered.
func (s *Store) remember(it flow.Item, now flow.Wall) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.Due <= now {
		delete(s.index, it.No)
		return false
	}
	s.bound(it.Flow, it.No)
	return true
}

// bound forgets the item of a flow that ended first, if there are too many.
func (s *Store) bound(flowName string, no uint64) {
	e := s.ended[flowName]
	if e == nil {
		return
	}
	e.nos = append(e.nos, no)
	for len(e.nos) > e.max {
		if l, ok := s.index[e.nos[0]]; ok && l.ended {
			delete(s.index, e.nos[0])
		}
		e.nos = e.nos[1:]
	}
}

// outOfRoom reports whether nothing was stored for want of room.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.Is(err, syscall.EFBIG) || errors.Is(err, bolterrors.ErrMaxSizeReached)
}

// frames calls yield for each payload of a chunk.
func frames(b []byte, yield func(no uint64, off uint32, payload []byte) error) error {
	for off := 0; off < len(b); {
		if len(b)-off < frameHeader {
			return errCorrupt
		}
		no, size := binary.LittleEndian.Uint64(b[off:]), int(binary.LittleEndian.Uint32(b[off+8:]))
		end := off + frameHeader + size
		if end > len(b) {
			return errCorrupt
		}
		if err := yield(no, uint32(off), b[off+frameHeader:end]); err != nil {
			return err
		}
		off = end
	}
	return nil
}
