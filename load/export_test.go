package load

import (
	"io"
	"time"
)

// InBubble makes a configuration keep time by time.Timer, which a testing/synctest
// bubble controls; a timerfd it does not.
func InBubble(c Config) Config {
	c.newAlarm = newTimerAlarm
	return c
}

// Answer is what ReadAnswer makes of an answer.
type Answer struct {
	Status     int
	Keep       bool
	Bytes      int64
	Reason     string
	RetryAfter time.Duration
}

// ErrProtocol marks malformed answers.
var ErrProtocol = errProtocol

// ReadAnswer reads one answer as a connection's reader does.
func ReadAnswer(r io.Reader, headOnly bool) (Answer, error) {
	res, err := newResponseReader(r).read(headOnly)
	return Answer{res.status, res.keep, res.bytes, res.reason, res.retryAfter}, err
}

// AnswerReader reads one answer after the other from a connection.
func AnswerReader(conn io.Reader) (read func() error) {
	r := newResponseReader(conn)
	return func() error {
		_, err := r.read(false)
		return err
	}
}
