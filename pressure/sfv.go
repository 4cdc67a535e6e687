package pressure

// The bounds on a structured field. A longer or fuller one is malformed: it is
// ignored wholly.
const (
	MaxFieldBytes   = 1024 // of Penstock-Pressure, Penstock-Work and Penstock-Deadline
	MaxFieldMembers = 64   // of a dictionary
)

// kind is the type of an item of RFC 9651, section 3.3.
type kind uint8

const (
	absent kind = iota
	integer
	decimal
	text
	token
	boolean
	other // byte sequence, date, display string, inner list: checked and skipped
)

// An item is the value of a dictionary's member. Its parameters are checked and
// skipped.
type item struct {
	kind        kind
	thousandths int64  // an integer's or a decimal's value x 1000; a boolean's is 0 or 1000
	token       string // a token's characters
}

// A dictionary reads an RFC 9651 dictionary (section 4.2.2), one member for
// each call of next. Numbers become integers, never floating point, so that no
// field can smuggle in an infinity.
type dictionary struct {
	scanner
	key   string
	value item

	members   int
	malformed bool // set before next returns false for good
}

func readDictionary(field string) (d dictionary) {
	d.malformed = len(field) > MaxFieldBytes
	d.field = field
	d.spaces()
	return d
}

// next reads a member. It reports false at the end, and at the first fault: a
// caller that sees malformed afterwards must forget every member it was given.
func (d *dictionary) next() bool {
	if d.malformed || d.done() {
		return false
	}
	d.members++
	if d.members > MaxFieldMembers || !d.plain() && !d.general() {
		d.malformed = true
		return false
	}
	return true
}

// plain reads a member as penstock writes them, in half the time: a key of
// letters, a number or a word without parameters, and then the end or a comma, a
// space and the next. All else it leaves to general.
func (d *dictionary) plain() bool {
	f, i := d.field, d.at
	for i < len(f) && isLower(f[i]) {
		i++
	}
	key := f[d.at:i]
	if key == "" || i+1 >= len(f) || f[i] != '=' {
		return false
	}
	i++
	var v item
	var ok bool
	if isDigit(f[i]) {
		v, i, ok = plainNumber(f, i)
	} else {
		v, i, ok = plainWord(f, i)
	}
	switch {
	case !ok:
		return false
	case i == len(f):
	case i+2 < len(f) && f[i] == ',' && f[i+1] == ' ' && isLower(f[i+2]):
		i += 2
	default:
		return false
	}
	d.key, d.value, d.at = key, v, i
	return true
}

// plainNumber reads a number without a sign, of up to 12 digits and 3 more.
func plainNumber(f string, i int) (v item, end int, ok bool) {
	from, n, scale := i, int64(0), int64(1000)
	for ; i < len(f) && isDigit(f[i]); i++ {
		n = 10*n + int64(f[i]-'0')
	}
	v.kind, ok = integer, i-from <= 12
	if i < len(f) && f[i] == '.' {
		i++
		v.kind, ok = decimal, ok && i < len(f) && isDigit(f[i])
		for ; i < len(f) && isDigit(f[i]) && scale > 1; i++ {
			n = 10*n + int64(f[i]-'0')
			scale /= 10
		}
	}
	v.thousandths = n * scale
	return v, i, ok
}

// plainWord reads a token of lower-case letters and underscores.
func plainWord(f string, i int) (v item, end int, ok bool) {
	from := i
	for i < len(f) && (isLower(f[i]) || f[i] == '_') {
		i++
	}
	return item{kind: token, token: f[from:i]}, i, i > from && f[from] != '_'
}

// general reads a member as the grammar has it, and what stands behind it.
func (d *dictionary) general() bool { return d.member() && d.separator() }

func (d *dictionary) member() (ok bool) {
	if d.key, ok = d.readKey(); !ok {
		return false
	}
	if !d.take('=') {
		d.value = item{kind: boolean, thousandths: 1000}
		return d.skipParameters()
	}
	if d.peek() == '(' {
		d.value = item{kind: other}
		return d.skipInnerList()
	}
	d.value, ok = d.readItem()
	return ok
}

// separator consumes what stands between two members, or the rest.
func (d *dictionary) separator() bool {
	if d.blanks(); d.done() {
		return true
	}
	if !d.take(',') {
		return false
	}
	d.blanks()
	return !d.done() // no comma at the end
}

// readSingleItem reads a field that is one item (section 4.2, "item").
func readSingleItem(field string) (item, bool) {
	if len(field) > MaxFieldBytes {
		return item{}, false
	}
	s := scanner{field: field}
	s.spaces()
	v, ok := s.readItem()
	s.spaces()
	return v, ok && s.done()
}

// A scanner reads a field from its front.
type scanner struct {
	field string
	at    int // bytes read
}

func (s *scanner) done() bool { return s.at >= len(s.field) }

// peek returns the next byte; 0, which no field may contain, at the end.
func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.field[s.at]
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// spaces skips spaces.
func (s *scanner) spaces() {
	for s.peek() == ' ' {
		s.at++
	}
}

// blanks skips spaces and tabs.
func (s *scanner) blanks() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.at++
	}
}

// span reads the longest run of bytes of the class.
func (s *scanner) span(class byteClass) string {
	from := s.at
	for s.at < len(s.field) && classes[s.field[s.at]]&class != 0 {
		s.at++
	}
	return s.field[from:s.at]
}

// readKey reads a key (section 4.2.3.3).
func (s *scanner) readKey() (string, bool) {
	if c := s.peek(); c != '*' && (c < 'a' || c > 'z') {
		return "", false
	}
	return s.span(keyByte), true
}

// readItem reads a bare item and skips its parameters (section 4.2.3).
func (s *scanner) readItem() (item, bool) {
	v, ok := s.readBareItem()
	return v, ok && s.skipParameters()
}

func (s *scanner) readBareItem() (item, bool) {
	switch c := s.peek(); {
	case c == '-' || isDigit(c):
		return s.readNumber()
	case c == '"':
		return item{kind: text}, s.skipString()
	case c == '*' || isAlpha(c):
		return item{kind: token, token: s.span(tokenByte)}, true
	case c == '?':
		return s.readBoolean()
	case c == ':':
		return item{kind: other}, s.skipBytes()
	case c == '@':
		s.at++
		v, ok := s.readNumber()
		return item{kind: other}, ok && v.kind == integer
	case c == '%':
		s.at++
		return item{kind: other}, s.skipDisplayString()
	}
	return item{}, false
}

// readNumber reads an integer of up to 15 digits, or a decimal of up to 12 and
// 3 (section 4.2.4).
func (s *scanner) readNumber() (item, bool) {
	negative := s.take('-')
	whole := s.span(digitByte)
	v := item{kind: integer}
	fraction := ""
	if s.take('.') {
		v.kind = decimal
		fraction = s.span(digitByte)
		if len(whole) > 12 || fraction == "" || len(fraction) > 3 {
			return item{}, false
		}
	}
	if whole == "" || len(whole) > 15 {
		return item{}, false
	}
	for i := range len(whole) {
		v.thousandths = v.thousandths*10 + int64(whole[i]-'0')
	}
	for i := range 3 {
		v.thousandths *= 10
		if i < len(fraction) {
			v.thousandths += int64(fraction[i] - '0')
		}
	}
	if negative {
		v.thousandths = -v.thousandths
	}
	return v, true
}

func (s *scanner) readBoolean() (item, bool) {
	s.at++
	switch {
	case s.take('1'):
		return item{kind: boolean, thousandths: 1000}, true
	case s.take('0'):
		return item{kind: boolean}, true
	}
	return item{}, false
}

// skipParameters skips what may follow an item or an inner list (section
// 4.2.3.2).
func (s *scanner) skipParameters() bool {
	for s.take(';') {
		s.spaces()
		if _, ok := s.readKey(); !ok {
			return false
		}
		if s.take('=') {
			if _, ok := s.readBareItem(); !ok {
				return false
			}
		}
	}
	return true
}

// skipInnerList skips a list in parentheses, which cannot nest (section
// 4.2.1.2).
func (s *scanner) skipInnerList() bool {
	s.at++
	for {
		s.spaces()
		if s.take(')') {
			return s.skipParameters()
		}
		if _, ok := s.readItem(); !ok {
			return false
		}
		if c := s.peek(); c != ' ' && c != ')' {
			return false
		}
	}
}

// skipString skips a string (section 4.2.5).
func (s *scanner) skipString() bool {
	for s.at++; !s.done(); s.at++ {
		switch c := s.peek(); {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			s.at++
			if c := s.peek(); c != '"' && c != '\\' {
				return false
			}
		case c < ' ' || c > '~':
			return false
		}
	}
	return false
}

// skipBytes skips a byte sequence (section 4.2.7). Only its alphabet is
// checked: no field of ours holds one.
func (s *scanner) skipBytes() bool {
	s.at++
	s.span(base64Byte)
	for range 2 {
		s.take('=')
	}
	return s.take(':')
}

// skipDisplayString skips a display string after its percent sign (section
// 4.2.10). The encoding of what it holds is not checked: no field of ours holds
// one.
func (s *scanner) skipDisplayString() bool {
	if !s.take('"') {
		return false
	}
	for !s.done() {
		c := s.peek()
		s.at++
		switch {
		case c == '"':
			return true
		case c < ' ' || c > '~':
			return false
		case c == '%':
			for range 2 {
				if !isLowerHex(s.peek()) {
					return false
				}
				s.at++
			}
		}
	}
	return false
}

// byteClass is a set of the classes that a byte belongs to.
type byteClass uint8

const (
	digitByte byteClass = 1 << iota
	keyByte
	tokenByte
	base64Byte
)

var classes = func() (table [256]byteClass) {
	for _, class := range []struct {
		set   byteClass
		bytes string
	}{
		{digitByte | keyByte | tokenByte | base64Byte, "0123456789"},
		{keyByte | tokenByte | base64Byte, "abcdefghijklmnopqrstuvwxyz"},
		{tokenByte | base64Byte, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		{keyByte, "_-.*"},
		{tokenByte, "!#$%&'*+-.^_`|~:/"},
		{base64Byte, "+/"},
	} {
		for i := range len(class.bytes) {
			table[class.bytes[i]] |= class.set
		}
	}
	return table
}()

func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isLower(c byte) bool    { return c >= 'a' && c <= 'z' }
func isAlpha(c byte) bool    { return isLower(c) || c >= 'A' && c <= 'Z' }
func isLowerHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' }
