package snsfilter_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"etude/internal/snsfilter"
)

// TestRefused has what SNS was recorded to say of bad policies; the column is
// where its parser had got to.
func TestRefused(t *testing.T) {
	tests := []struct {
		policy, want string
		column       int // 0: it names none
	}{
		{`{"key":[["value"]]}`, "FilterPolicy: Match value must be String, number, true, false, or null", 10},
		{`{"key":[{"wrong-operator":true}]}`, "FilterPolicy: Unrecognized match type wrong-operator", 31},
		{`{"key":[{"suffix":"value","prefix":"value2"}]}`, "FilterPolicy: Only one key allowed in match expression", 37},
		{`{"key":[{"suffix":100}]}`, "FilterPolicy: suffix match pattern must be a string", 22},
		{`{"key":[{"suffix":null}]}`, "FilterPolicy: suffix match pattern must be a string", 23},
		{`{"key":{"suffix":"value"}}`, `FilterPolicy: "suffix" must be an object or an array`, 19},
		{`{"key":[{"suffix":[]}]}`, "FilterPolicy: suffix match pattern must be a string", 20},
		{`{"key":[{"suffix":["test","test2"]}]}`, "FilterPolicy: suffix match pattern must be a string", 20},
		{`{"key":{"suffix":"value","prefix":"value"}}`, `FilterPolicy: "suffix" must be an object or an array`, 19},
		{`{"key":{"not-an-operator":"value"}}`, `FilterPolicy: "not-an-operator" must be an object or an array`, 28},
		{`{"key":[{"numeric":[]}]}`, "FilterPolicy: Invalid member in numeric match: ]", 22},
		{`{"key":[{"numeric":["operator"]}]}`, "FilterPolicy: Unrecognized numeric range operator: operator", 32},
		{`{"key":[{"numeric":[1,"<="]}]}`, "FilterPolicy: Invalid member in numeric match: 1", 22},
		{`{"key":[{"numeric":["=","000"]}]}`, "FilterPolicy: Value of equals must be numeric", 26},
		{`{"key":[{"numeric":[">="]}]}`, "FilterPolicy: Value of >= must be numeric", 26},
		{`{"key":[{"numeric":["<",100,">",10]}]}`, "FilterPolicy: Too many elements in numeric expression", 30},
		{`{"key":[{"numeric":[">=",1,">",2]}]}`, "FilterPolicy: Bad numeric range operator: >", 31},
		{`{"key":[{"numeric":[">",3,"<",1]}]}`, "FilterPolicy: Bottom must be less than top", 33},
		{`{"key":[{"numeric":[">",20,"<="]}]}`, "FilterPolicy: Value of <= must be numeric", 33},
		{`{"key":[{"numeric":[">",20,30]}]}`, "FilterPolicy: Bad value in numeric range: 30", 30},
		{`{"key":[{"numeric":[">",20,"test"]}]}`, "FilterPolicy: Bad numeric range operator: test", 34},
		{`{"key":[{"numeric":[">","20","<","30"]}]}`, "FilterPolicy: Value of > must be numeric", 26},
		{`{"key":[{"numeric":[">",20,"<","30"]}]}`, "FilterPolicy: Value of < must be numeric", 33},
		{`{"key":[{"numeric":[">",20,"<",30,"<",50]}]}`, "FilterPolicy: Too many terms in numeric range expression", 36},
		{`{"key":[{"exists":null}]}`, "FilterPolicy: exists match pattern must be either true or false.", 23},
		{`{"key":[{"exists":"no"}]}`, "FilterPolicy: exists match pattern must be either true or false.", 20},
		{`{"key_a":"value_one"}`, `FilterPolicy: "key_a" must be an object or an array`, 11},
		{`{"key":[{"anything-but":{"wrong-operator":null}}]}`, "FilterPolicy: Unsupported anything-but pattern: wrong-operator", 47},
		{`{"key":[{"anything-but":{"exists":false}}]}`, "FilterPolicy: Unsupported anything-but pattern: exists", 40},
		{`{"key":[{"anything-but":{"prefix":false}}]}`, "FilterPolicy: prefix match pattern must be a string", 40},
		{`{"object":{"key":[{"prefix":"auto-"}]}}`, "Filter policy scope MessageAttributes does not support nested filter policy", 0},

		// These SNS's library refuses too, in these or other words.
		{`{"a":[]}`, "FilterPolicy: Empty arrays are not allowed", 8},
		{`["a"]`, "FilterPolicy: Filter is not an object", 2},
		{`{"a":["x"],"a":["y"]}`, "FilterPolicy: Path `a` cannot be allowed multiple times", 17},
		{"{\n \"a\":[{\"cidr\":\"10.0.0.0/99\"}]}", "FilterPolicy: Malformed CIDR: 10.0.0.0/99", 28},
		{`{"a":[{"wildcard":"a**b"}]}`, "FilterPolicy: wildcard match pattern may not have two wildcards in a row, and a backslash only before * or another backslash", 25},
		{`{"a":[{"wildcard":"a\\b"}]}`, "FilterPolicy: wildcard match pattern may not have two wildcards in a row, and a backslash only before * or another backslash", 25},
		{`{"a":[{}]}`, "FilterPolicy: Match expression name not found", 9},
		{`{"a":[{"anything-but":[]}]}`, "FilterPolicy: Empty arrays are not allowed", 25},
		{`{"a":[{"anything-but":null}]}`, "FilterPolicy: Inside anything but list, only strings and numbers are supported.", 27},
		{`{"a":[1e10]}`, "FilterPolicy: Value of match must be between -1.0E9 and 1.0E9, inclusive", 11},
		{`{"a":[{"numeric":["=",1e999]}]}`, "FilterPolicy: Value of equals must be between -1.0E9 and 1.0E9, inclusive", 28},
		{`{"$or":[{"a":["x"]}]}`, "FilterPolicy: Unrecognized match type a", 15},
		{`{"$or":[{"a":["x"]},{}]}`, "FilterPolicy: Empty objects are not allowed", 23},
		{`{invalid}`, "FilterPolicy: failed to parse JSON. invalid character 'i'", 2},
		{``, "FilterPolicy: failed to parse JSON. unexpected end of JSON input", 1},
		{`{"a":["x"]} {}`, "FilterPolicy: failed to parse JSON. invalid character '{' after top-level value", 13},
		{`{"a":["x"]`, "FilterPolicy: failed to parse JSON. unexpected end of JSON input", 11},
		{`{"a":["` + strings.Repeat("x", 256<<10) + `"]}`, "FilterPolicy: Filter policy is too large: it may have 256 KB", 0},
		{`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`, "FilterPolicy: Filter policy can not have more than 5 keys", 0},
		{`{"a":` + values(151) + `}`, "FilterPolicy: Filter policy is too complex", 0},
		{`{"a":` + values(13) + `,"b":` + values(12) + `}`, "FilterPolicy: Filter policy is too complex", 0},
		{`{"a":` + values(76) + `,"$or":[{"b":["1"]},{"c":["1"]}]}`, "FilterPolicy: Filter policy is too complex", 0},
	}
	for _, tt := range tests {
		_, err := snsfilter.Parse(tt.policy, snsfilter.Attributes)
		if err == nil {
			t.Errorf("%.80s was taken, want %q", tt.policy, tt.want)
			continue
		}
		got, where, _ := strings.Cut(err.Error(), "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); ")
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%.80s: got %q, want %q", tt.policy, got, tt.want)
		}
		line := 1 + strings.Count(tt.policy, "\n")
		if want := fmt.Sprintf("line: %d, column: %d]", line, tt.column); tt.column > 0 && where != want {
			t.Errorf("%.80s: it names %s, want %s", tt.policy, where, want)
		}
	}
	if _, err := snsfilter.Parse(`{"a":{"b":{"c":`+values(4)+`}},"d":{"e":`+values(7)+`}}`, snsfilter.Body); err == nil || err.Error() != "FilterPolicy: Filter policy is too complex" {
		t.Errorf("4 values 3 deep and 7 values 2 deep: %v, want them too complex", err)
	}
	if _, err := snsfilter.Parse(strings.Repeat(`{"a":`, 40000)+`["x"]`+strings.Repeat(`}`, 40000), snsfilter.Body); err == nil {
		t.Error("40,000 levels were taken")
	}
}

func values(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	text, _ := json.Marshal(all)
	return string(text)
}

type attribute struct{ Type, Value string }

func TestAttributes(t *testing.T) {
	str := func(v string) *attribute { return &attribute{"String", v} }
	num := func(v string) *attribute { return &attribute{"Number", v} }
	array := func(v string) *attribute { return &attribute{"String.Array", v} }
	tests := []struct {
		policy  string // of the key "k"
		yes, no []*attribute
	}{
		{policy: `["rugby","tennis"]`, yes: []*attribute{str("rugby"), str("tennis"), array(`["x","tennis"]`), {"String.custom", "rugby"}},
			no: []*attribute{nil, str("Rugby"), array(`["x"]`), array(`[]`), array(`rugby`), array(`{"a":"rugby"}`), {"Binary", "rugby"}, array(`[["rugby"]]`)}},
		{policy: `[301.5]`, yes: []*attribute{num("301.5"), num("3.015e2"), num("301.50"), array(`[301.5]`), {"Number.float", "+301.5"}}, no: []*attribute{str("301.5"), num("301"), num("x")}},
		{policy: `[true,null]`, yes: []*attribute{array(`[true]`), array(`["a",null]`)}, no: []*attribute{str("true"), str("null"), nil, array(`[false]`)}},
		{policy: `[{"prefix":"auto-"}]`, yes: []*attribute{str("auto-"), str("auto-x"), array(`["b","auto-"]`)}, no: []*attribute{str("auto"), num("1"), nil}},
		{policy: `[{"suffix":"ball"}]`, yes: []*attribute{str("ball"), str("football")}, no: []*attribute{str("balls")}},
		{policy: `[{"prefix":{"equals-ignore-case":"AUTO"}}]`, yes: []*attribute{str("auto-x"), str("Auto")}, no: []*attribute{str("aut")}},
		{policy: `[{"suffix":{"equals-ignore-case":".MP3"}}]`, yes: []*attribute{str("a.mp3")}, no: []*attribute{str("mp3a")}},
		{policy: `[{"equals-ignore-case":"Tennis"}]`, yes: []*attribute{str("TENNIS"), str("tennis")}, no: []*attribute{str("tennis ")}},
		{policy: `[{"anything-but":["rugby","tennis"]}]`, yes: []*attribute{str("golf"), array(`["rugby","golf"]`), num("1")}, no: []*attribute{str("rugby"), array(`["rugby"]`), nil, {"Binary", "AA=="}}},
		{policy: `[{"anything-but":"rugby"}]`, yes: []*attribute{str("golf")}, no: []*attribute{str("rugby"), nil}},
		{policy: `[{"anything-but":[100,"x"]}]`, yes: []*attribute{num("101"), str("100")}, no: []*attribute{num("1e2"), str("x")}},
		{policy: `[{"anything-but":{"prefix":"order-"}}]`, yes: []*attribute{str("data-entry")}, no: []*attribute{str("order-number"), nil, num("1")}},
		{policy: `[{"anything-but":{"prefix":["a","b"]}}]`, yes: []*attribute{str("c")}, no: []*attribute{str("ax"), str("bx")}},
		{policy: `[{"anything-but":{"suffix":[".txt",".rtf"]}}]`, yes: []*attribute{str("a.mp3")}, no: []*attribute{str("a.txt"), str("b.rtf")}},
		{policy: `[{"anything-but":{"equals-ignore-case":["Error"]}}]`, yes: []*attribute{str("ok")}, no: []*attribute{str("ERROR")}},
		{policy: `[{"anything-but":{"wildcard":"*/tmp/*"}}]`, yes: []*attribute{str("a/b")}, no: []*attribute{str("a/tmp/b")}},
		{policy: `[{"wildcard":"media/*.wav"}]`, yes: []*attribute{str("media/.wav"), str("media/a/b.wav")}, no: []*attribute{str("media/a.wave"), str("x/media/a.wav")}},
		{policy: `[{"wildcard":"a*a"}]`, yes: []*attribute{str("aa"), str("aba")}, no: []*attribute{str("a")}},
		{policy: `[{"wildcard":"*a*b*c"}]`, yes: []*attribute{str("abc"), str("xaxbxbc")}, no: []*attribute{str("acb")}},
		{policy: `[{"wildcard":"1\\*2\\\\3"}]`, yes: []*attribute{str(`1*2\3`)}, no: []*attribute{str(`1x2\3`)}},
		{policy: `[{"cidr":"10.1.0.0/16"},{"cidr":"2001:db8::/32"},{"cidr":"192.168.0.1"}]`, yes: []*attribute{str("10.1.2.3"), str("2001:db8::1"), str("192.168.0.1")}, no: []*attribute{str("10.2.0.1"), str("192.168.0.2"), str("ten"), num("10")}},
		{policy: `[{"numeric":["=",5]}]`, yes: []*attribute{num("5"), num("5.0"), array("[4,5]")}, no: []*attribute{num("4"), str("5")}},
		{policy: `[{"numeric":[">",0,"<=",150]}]`, yes: []*attribute{num("150"), num("0.00001")}, no: []*attribute{num("0"), num("150.1"), num("-1")}},
		{policy: `[{"numeric":[">=",-1e9]}]`, yes: []*attribute{num("-1000000000"), num("7")}, no: []*attribute{num("NaN"), num("0x10"), num("Inf")}},
		{policy: `[{"numeric":["<",0]}]`, yes: []*attribute{num("-0.5")}, no: []*attribute{num("0"), num("-0")}},
		{policy: `[{"exists":true}]`, yes: []*attribute{str(""), num("1"), array("[null]")}, no: []*attribute{nil, array("[]"), {"Binary", "AA=="}}},
		{policy: `[{"exists":false}]`, yes: []*attribute{nil, array("[]"), {"Binary", "AA=="}}, no: []*attribute{str("x")}},
		{policy: `[{"exists":false},"x"]`, yes: []*attribute{nil, str("x")}, no: []*attribute{str("y")}},
	}
	for _, tt := range tests {
		policy, err := snsfilter.Parse(`{"k":`+tt.policy+`}`, snsfilter.Attributes)
		if err != nil {
			t.Errorf("%s: %v", tt.policy, err)
			continue
		}
		for want, all := range map[bool][]*attribute{true: tt.yes, false: tt.no} {
			for _, a := range all {
				if got := policy.MatchAttributes(lookup(map[string]*attribute{"k": a})); got != want {
					t.Errorf("%s with %+v: got %v, want %v", tt.policy, a, got, want)
				}
			}
		}
	}
}

func lookup(all map[string]*attribute) func(string) (string, string, bool) {
	return func(name string) (string, string, bool) {
		if a := all[name]; a != nil {
			return a.Type, a.Value, true
		}
		return "", "", false
	}
}

func TestKeysAndChoices(t *testing.T) {
	const policy = `{"source":["s3"],"$or":[{"size":[{"numeric":[">",10]}]},{"kind":["big"],"store":["a"]}]}`
	p, err := snsfilter.Parse(policy, snsfilter.Attributes)
	if err != nil {
		t.Fatal(err)
	}
	for give, want := range map[string]bool{
		`{"source":"s3"}`: false, `{"source":"s3","size":11}`: true, `{"source":"x","size":11}`: false,
		`{"source":"s3","size":9,"kind":"big"}`: false, `{"source":"s3","size":9,"kind":"big","store":"a"}`: true,
	} {
		var all map[string]any
		if err := json.Unmarshal([]byte(give), &all); err != nil {
			t.Fatal(err)
		}
		attributes := map[string]*attribute{}
		for name, v := range all {
			attributes[name] = &attribute{"String", fmt.Sprint(v)}
			if _, ok := v.(float64); ok {
				attributes[name].Type = "Number"
			}
		}
		if got := p.MatchAttributes(lookup(attributes)); got != want {
			t.Errorf("attributes %s: got %v, want %v", give, got, want)
		}
		body, err := snsfilter.Parse(policy, snsfilter.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := body.MatchBody(give); got != want {
			t.Errorf("body %s: got %v, want %v", give, got, want)
		}
	}
	for _, empty := range []snsfilter.Policy{{}, mustParse(t, `{}`)} {
		if !empty.MatchBody("no JSON") || !empty.MatchAttributes(lookup(nil)) {
			t.Error("no policy kept a message back")
		}
	}
}

func mustParse(t *testing.T, policy string) snsfilter.Policy {
	t.Helper()
	p, err := snsfilter.Parse(policy, snsfilter.Body)
	if err != nil {
		t.Fatalf("%s: %v", policy, err)
	}
	return p
}

func TestBodies(t *testing.T) {
	const records = `{"Records":{"s3":{"object":{"key":[{"prefix":"auto-"}]}},"eventName":[{"prefix":"ObjectCreated:"}]}}`
	tests := []struct {
		policy, body string
		want         bool
	}{
		{`{"state":["COMPLETED","ERROR"]}`, `{"state" : "COMPLETED"}`, true},
		{`{"state":["COMPLETED","ERROR"]}`, `{"state" : "PROGRESSING"}`, false},
		{`{"state":["COMPLETED"]}`, `prose`, false},
		{`{"state":["COMPLETED"]}`, `"COMPLETED"`, false},
		{`{"state":["COMPLETED"]}`, `null`, false},
		{`{"state":["COMPLETED"]}`, `{"state":"COMPLETED"} x`, false},
		{`{"state":["COMPLETED"]}`, `{"job":{"state":"COMPLETED"}}`, false},
		{`{"errorCode":[{"numeric":[">=",4000]}]}`, `{"errorCode":4000}`, true},
		{`{"errorCode":[{"exists":false}]}`, `{"state":"COMPLETED"}`, true},
		{`{"errorCode":[{"exists":false}]}`, `{"errorCode":null}`, false},
		{`{"object":{"key":[{"exists":true}]}}`, `{"object":{"key":{"x":1}}}`, false},
		{`{"object":{"nested":["x"]}}`, `{"object.nested":"x"}`, true},
		{`{"object":{"nested":{"test":["x"]}}}`, `{"object.nested":{"test":"x"}}`, true},
		{`{"object.nested":["x"]}`, `{"object":{"nested":"x"}}`, true},
		{`{"to":["queue2"]}`, `{"to":["queue1","queue2"]}`, true},
		{`{"to":["queue2"]}`, `{"to":["queue1",["queue2"]]}`, true},
		{records, `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":[[{"key":"auto-1"}]]}},{"eventName":"ObjectRemoved:Delete","s3":{"object":{"key":"home-1"}}}]}`, true},
		{records, `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"home-1"}}},{"eventName":"ObjectRemoved:Delete","s3":{"object":{"key":"auto-1"}}}]}`, false},
		{records, `{"Records":[{"eventName":"ObjectCreated:Put"},{"s3":{"object":{"key":"auto-1"}}}]}`, false},
		{`{"a":{"b":["1"]},"c":{"b":["1"]}}`, `{"a":[{"b":"0"},{"b":"1"}],"c":[{"b":"1"},{"b":"0"}]}`, true},
		{`{"":["x"]}`, `{"":"x"}`, true},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.policy).MatchBody(tt.body); got != tt.want {
			t.Errorf("%s with %s: got %v, want %v", tt.policy, tt.body, got, tt.want)
		}
	}
}

// TestArraysAgreeWithSearch compares with a search through every choice of array
// elements, which is how what belongs together is defined.
func TestArraysAgreeWithSearch(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 800 {
		paths := [][]string{{"a"}, {"b"}, {"a", "c"}, {"b", "c"}, {"b", "d", "a"}}
		r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		paths = paths[:1+r.IntN(4)]
		policy, wants := map[string]any{}, map[string]string{}
		for _, path := range paths {
			at := policy
			for _, part := range path[:len(path)-1] {
				next, ok := at[part].(map[string]any)
				if !ok {
					next = map[string]any{}
					at[part] = next
				}
				at = next
			}
			last := path[len(path)-1]
			if at[last] == nil {
				wants[strings.Join(path, ".")] = strconv.Itoa(r.IntN(2))
				at[last] = []string{wants[strings.Join(path, ".")]}
			}
		}
		for path := range wants { // a prefix may have taken the place of what is below
			if !has(policy, strings.Split(path, ".")) {
				delete(wants, path)
			}
		}
		text, _ := json.Marshal(policy)
		body := randomBody(r, 4)
		written, _ := json.Marshal(body)
		want := false
		choices(body, func(leaves map[string]string) {
			all := true
			for path, v := range wants {
				all = all && leaves[path] == v
			}
			want = want || all
		})
		if got := mustParse(t, string(text)).MatchBody(string(written)); got != want {
			t.Fatalf("seed %d: %s with %s: got %v, want %v", seed, text, written, got, want)
		}
	}
}

func has(policy map[string]any, path []string) bool {
	if len(path) == 1 {
		_, ok := policy[path[0]].([]string)
		return ok
	}
	next, ok := policy[path[0]].(map[string]any)
	return ok && has(next, path[1:])
}

func randomBody(r *rand.Rand, depth int) map[string]any {
	m := map[string]any{}
	for _, key := range []string{"a", "b", "c", "d"} {
		if r.IntN(3) > 0 {
			m[key] = randomValue(r, depth-1)
		}
	}
	return m
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(4); {
	case depth == 0 || n == 0:
		return strconv.Itoa(r.IntN(2))
	case n == 1:
		return randomBody(r, depth)
	}
	items := make([]any, r.IntN(3))
	for i := range items {
		items[i] = randomValue(r, depth-1)
	}
	return items
}

// choices calls visit with the leaves for each way to choose one element of
// every array.
func choices(body any, visit func(map[string]string)) {
	leaves := map[string]string{}
	var walk func(path string, v any, then func())
	walk = func(path string, v any, then func()) {
		switch v := v.(type) {
		case map[string]any:
			keys := []string{"a", "b", "c", "d"}
			var member func(i int)
			member = func(i int) {
				if i == len(keys) {
					then()
					return
				}
				if m, ok := v[keys[i]]; ok {
					walk(strings.TrimPrefix(path+"."+keys[i], "."), m, func() { member(i + 1) })
				} else {
					member(i + 1)
				}
			}
			member(0)
		case []any:
			for _, item := range v {
				walk(path, item, then)
			}
			if len(v) == 0 {
				then()
			}
		case string:
			before, had := leaves[path]
			leaves[path] = v
			then()
			if delete(leaves, path); had {
				leaves[path] = before
			}
		}
	}
	walk("", body, func() { visit(leaves) })
}

// FuzzParse holds that nothing that comes makes it panic, that what it takes it
// takes again, and that no message makes it panic either.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":["x",1,true,null,{"prefix":"p"}]}`, `{"$or":[{"a":["x"]},{"b":[{"exists":false}]}]}`,
		`{"a":[{"numeric":[">",1,"<=",2]},{"cidr":"::/0"}]}`, `{"a":{"b":[{"anything-but":{"wildcard":["*a*","\\*"]}}]}}`,
		`{"a":[{"suffix":{"equals-ignore-case":"x"}}]}`, `{"`, `{"a":`, `{"$or":[{"$or":[{"a":["x"]},{"b":["x"]}]},{"c":["1"]}]}`,
	} {
		f.Add(seed, `{"a":[{"b":"x"},1]}`)
	}
	f.Fuzz(func(t *testing.T, policy, body string) {
		for _, scope := range []snsfilter.Scope{snsfilter.Attributes, snsfilter.Body} {
			p, err := snsfilter.Parse(policy, scope)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "Filter") {
					t.Errorf("the error does not begin with what it is about: %v", err)
				}
				continue
			}
			first := p.MatchBody(body) // which walks through objects in any order
			if again := p.MatchBody(body); again != first {
				t.Error("a body passes one time and not the other")
			}
			p.MatchAttributes(func(string) (string, string, bool) { return "String.Array", body, true })
		}
	})
}
