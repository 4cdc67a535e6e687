package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// An entry is one line of the log.
type entry struct {
	second  int64
	client  string
	path    string
	status  int
	bytes   int64
	country string // which the service knows
}

// generate writes lines until there are that many bytes, always the same ones.
func generate(name string, bytes int64) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	var line []byte
	for n := int64(0); n < bytes; n += int64(len(line)) {
		line = fmt.Appendf(line[:0], "%d 10.%d.%d.%d GET /shop/item/%d?ref=%x %d %d\n", 1700000000+n/100000,
			rng.IntN(16), rng.IntN(16), rng.IntN(256), rng.IntN(100000), rng.Uint64(), 200+100*rng.IntN(4), rng.IntN(1<<20))
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func parse(line string) (e entry, err error) {
	fields := strings.Fields(line)
	if len(fields) != 6 {
		return e, fmt.Errorf("%q has %d fields, want 6", line, len(fields))
	}
	e = entry{client: fields[1], path: fields[3]}
	if e.second, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
		return e, err
	}
	if e.status, err = strconv.Atoi(fields[4]); err != nil {
		return e, err
	}
	e.bytes, err = strconv.ParseInt(fields[5], 10, 64)
	return e, err
}
