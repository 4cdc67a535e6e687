package lab

import (
	"strings"
	"unicode/utf8"
)

// tokenKind tells the words of an expectation apart.
type tokenKind uint8

const (
	endToken      tokenKind = iota
	nameToken               // goodput, api, and, of
	quantityToken           // 98%, 500/s, 1m30s
	signToken               // . ( ) [ ] : / < <= > >=
	strangeToken            // anything else
)

// A token is one word of an expectation and the character at which it begins,
// from 1.
type token struct {
	kind   tokenKind
	text   string
	column int
}

// lex cuts an expectation into tokens; the last is the end. It never fails.
func lex(s string) []token {
	var out []token
	column := 1
	for s != "" {
		n := 1
		kind := signToken
		switch c := s[0]; {
		case c == ' ' || c == '\n':
			s, column = s[1:], column+1
			continue
		case isLetter(c):
			kind, n = nameToken, spanOf(s, isNameByte)
		case isDigit(c):
			kind, n = quantityToken, spanOf(s, isQuantityByte)
		case c == '<' || c == '>':
			if strings.HasPrefix(s[1:], "=") {
				n = 2
			}
		case strings.IndexByte(".()[]:/", c) >= 0:
		default:
			kind = strangeToken
			_, n = utf8.DecodeRuneInString(s)
		}
		out = append(out, token{kind, s[:n], column})
		column += utf8.RuneCountInString(s[:n])
		s = s[n:]
	}
	return append(out, token{kind: endToken, column: column})
}

func spanOf(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// Names may have hyphens: those of scenarios and stages do.
func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' }

func isQuantityByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '%' || c == '/'
}
