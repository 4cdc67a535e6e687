package config

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// rejoin mends what the lexer cuts inside braces: there it takes nearly every
// colon for the end of a key, and so http://127.0.0.1:9000 in a list for a
// mapping. In YAML (1.2.2, section 7.3.3) a colon after an unquoted text ends a
// key only before white space or one of , [ ] { }.
func rejoin(tokens token.Tokens) token.Tokens {
	out := make(token.Tokens, 0, len(tokens))
	for i := 0; i < len(tokens); i++ {
		colon := tokens[i]
		if colon.Type != token.MappingValueType || i+1 == len(tokens) || !touches(colon, tokens[i+1]) {
			out.Add(colon)
			continue
		}
		rest := tokens[i+1]
		text := token.String(":"+rest.Value, colon.Origin+rest.Origin, colon.Position)
		if n := len(out); n > 0 {
			last := out[n-1]
			switch {
			case touches(last, colon):
				text = token.String(last.Value+text.Value, last.Origin+text.Origin, last.Position)
				out = out[:n-1]
			case isPlain(last) || last.Indicator == token.QuotedScalarIndicator || closes(last):
				out.Add(colon) // {"key":value} needs no space
				continue
			}
		}
		out.Add(text)
		i++
	}
	return out
}

// touches reports whether an unquoted text and a colon stand side by side, in
// either order.
func touches(a, b *token.Token) bool {
	text := a
	if a.Type == token.MappingValueType {
		text = b
	}
	return isPlain(text) && a.Position.Line == b.Position.Line &&
		a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}

func isPlain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.NullType, token.BoolType, token.InfinityType, token.NanType, token.FloatType,
		token.IntegerType, token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType:
		return true
	default:
		return false
	}
}

func closes(t *token.Token) bool {
	return t.Type == token.SequenceEndType || t.Type == token.MappingEndType
}
