package sense

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// bufferBytes bounds what is read of one file: more than any of the kernel's
// files that are read here has.
const bufferBytes = 4096

// maxDepth bounds the search for a cgroup's limit in the groups that it is in.
const maxDepth = 64

// A file is one file of the kernel, kept open: reading it again from its start
// gives its present content. The zero file is one that is not there.
type file struct{ f *os.File }

func openFile(path string) file {
	f, err := os.Open(path)
	if err != nil {
		return file{}
	}
	return file{f}
}

// firstOf opens the first of some files that is there.
func firstOf(paths ...string) file {
	for _, p := range paths {
		if f := openFile(p); f.f != nil {
			return f
		}
	}
	return file{}
}

// content reads the file into buf. It is nil where there is none, it cannot be
// read or does not fit.
func (f file) content(buf []byte) []byte {
	if f.f == nil {
		return nil
	}
	n, _ := f.f.ReadAt(buf, 0) // io.EOF is what ends it
	if n == len(buf) {
		return nil
	}
	return buf[:n]
}

func (f file) close() {
	if f.f != nil {
		_ = f.f.Close() // read only: nothing is lost
	}
}

// number parses a number of decimal digits that fits in 63 bits.
func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(b) > 0
}

// field returns the number behind "key " at the beginning of a line, as in
// cgroup v2's flat keyed files.
func field(content, key []byte) (uint64, bool) {
	for len(content) > 0 {
		line, rest, _ := bytes.Cut(content, newline)
		if k, v, ok := bytes.Cut(line, space); ok && bytes.Equal(k, key) {
			return number(v)
		}
		content = rest
	}
	return 0, false
}

// stalled returns the total of PSI's "some" line, in microseconds.
func stalled(content []byte) (uint64, bool) {
	for len(content) > 0 {
		line, rest, _ := bytes.Cut(content, newline)
		if v, ok := bytes.CutPrefix(line, somePrefix); ok {
			_, total, _ := bytes.Cut(v, totalKey)
			return number(total)
		}
		content = rest
	}
	return 0, false
}

var (
	newline       = []byte("\n")
	space         = []byte(" ")
	somePrefix    = []byte("some ")
	totalKey      = []byte(" total=")
	throttledKey  = []byte("throttled_usec")
	trimmedSpaces = " \t\r\n"
)

// group returns the directory of this process's cgroup (version 2) and the mount
// that it lies in, from a file like /proc/self/cgroup and one like
// /proc/self/mountinfo. It reports false where there is none.
func group(cgroup, mountinfo []byte) (dir, mount string, ok bool) {
	for line := range strings.Lines(string(mountinfo)) {
		// ... 4: root within the filesystem, 5: where; then, behind "-", the type.
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if kind, _, _ := strings.Cut(after, " "); kind == "cgroup2" && len(fields) >= 5 {
			mount = fields[4]
			break
		}
	}
	if mount == "" {
		return "", "", false
	}
	for line := range strings.Lines(string(cgroup)) {
		if path, found := strings.CutPrefix(strings.TrimRight(line, "\n"), "0::"); found {
			// A path that leads out of the mount is another namespace's.
			return filepath.Join(mount, filepath.Clean("/"+path)), mount, true
		}
	}
	return "", "", false
}

// limited returns the nearest directory from dir up to mount whose file of the
// given name holds a number: that of the limit that is met first, or dir where
// there is none.
func limited(dir, mount, name string) string {
	at := dir
	for range maxDepth {
		content, err := os.ReadFile(filepath.Join(at, name)) //nolint:gosec // paths of the kernel's own files
		if _, ok := number(bytes.Trim(content, trimmedSpaces)); err == nil && ok {
			return at
		}
		if at == mount || !strings.HasPrefix(at, mount) {
			break
		}
		at = filepath.Dir(at)
	}
	return dir
}
