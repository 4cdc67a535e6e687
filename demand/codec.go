package demand

import (
	"encoding/json"
)

// A Codec turns items into bytes and back, for packages wire and spillfile.
type Codec[T any] interface {
	// Append appends the item's bytes to dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode reads an item. It keeps no part of src.
	Decode(src []byte) (T, error)
}

// Text is the codec of strings: their own bytes.
type Text struct{}

// Append appends the string.
func (Text) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

// Decode returns the bytes as a string.
func (Text) Decode(src []byte) (string, error) { return string(src), nil }

// JSON is the codec of whatever encoding/json can write and read.
type JSON[T any] struct{}

// Append appends the item as JSON.
func (JSON[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// Decode reads an item from JSON.
func (JSON[T]) Decode(src []byte) (v T, err error) {
	err = json.Unmarshal(src, &v)
	return v, err
}
