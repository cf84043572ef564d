package transcode

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTime reads HH:mm:ss.SSS, in which hours and minutes may be left out, or
// sssss.SSS. The API's pattern has been checked.
func parseTime(s string) (time.Duration, error) {
	parts := strings.Split(s, ":")
	if s == "" || len(parts) > 3 {
		return 0, fmt.Errorf("time %q: it must look like 00:01:30.500 or 90.5", s)
	}
	total := time.Duration(0)
	for i, part := range parts {
		if i < len(parts)-1 {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 {
				return 0, fmt.Errorf("time %q: it must look like 00:01:30.500 or 90.5", s)
			}
			total = (total + time.Duration(n)) * 60
			continue
		}
		d, err := parseSeconds(part)
		if err != nil {
			return 0, err
		}
		total = total*time.Second + d
	}
	return total, nil
}

// parseSeconds reads seconds with a fraction, exactly to the nanosecond.
func parseSeconds(s string) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("seconds %q: it must look like 90.5", s)
	}
	nanos := uint64(0)
	if fraction != "" {
		nanos, err = strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("seconds %q: it must look like 90.5", s)
		}
	}
	return time.Duration(n)*time.Second + time.Duration(nanos), nil
}

func sameSeconds(a, b string) bool {
	x, errX := parseSeconds(a)
	y, errY := parseSeconds(b)
	return errX == nil && errY == nil && x == y
}

// maxTime is the latest time that a TimeSpan may name.
const maxTime = 24 * time.Hour

// span reads a TimeSpan; nil is all.
func (t *TimeSpan) span() (s Span, err error) {
	if t == nil {
		return Span{}, nil
	}
	if t.StartTime != "" {
		if s.Start, err = parseTime(t.StartTime); err != nil {
			return s, err
		}
	}
	if t.Duration != "" {
		if s.Length, err = parseTime(t.Duration); err != nil {
			return s, err
		}
		if s.Length == 0 {
			return s, fmt.Errorf("the Duration of a TimeSpan must be above 0")
		}
	}
	if s.Start >= maxTime || s.Length > maxTime {
		return s, fmt.Errorf("a TimeSpan may not go beyond 24 hours")
	}
	return s, nil
}

// span is the part of the joined inputs that an output is of.
func (o *Output) span() (Span, error) {
	if len(o.Composition) == 0 {
		return Span{}, nil
	}
	return o.Composition[0].span()
}

// ParseSpan reads a part of something in a TimeSpan's words; empty ones are not
// given.
func ParseSpan(start, length string) (Span, error) {
	t := TimeSpan{StartTime: start, Duration: length}
	return t.span()
}
