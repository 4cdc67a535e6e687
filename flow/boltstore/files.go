package boltstore

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A file is what the journal is written to.
type file interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes what was written durable, with the file's size.
	Sync() error
	// Direct lets writes pass the system's cache from now on, where they can. Their
	// memory, place and size must be multiples of the block.
	Direct()
	Close() error
}

// files are where journals are; the tests that cut the power have their own.
type files interface {
	Create(path string) (file, error) // must not be there
	Open(path string, write bool) (file, error)
	Link(old, path string) error
	Remove(path string) error
	SyncDir(path string) error // of the folder that the file at path is in
}

// osFiles are the operating system's.
type osFiles struct{}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return syncData(f.File) }

func (f osFile) Direct() { direct(f.File) }

func (osFiles) Create(path string) (file, error) {
	return asFile(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600))
}

func (osFiles) Open(path string, write bool) (file, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	return asFile(os.OpenFile(path, flag, 0))
}

func asFile(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) Link(old, path string) error { return os.Link(old, path) }

func (osFiles) Remove(path string) error { return os.Remove(path) }

func (osFiles) SyncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
