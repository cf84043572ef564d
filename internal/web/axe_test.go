package web

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe is the source of axe-core, which finds what keeps people from using a
// page.
func axe(t testing.TB) string {
	t.Helper()
	source, err := os.ReadFile(axePath)
	if err != nil {
		lacks(t, "there is no axe-core; make assets installs it")
	}
	return string(source)
}

// axePath is read before the gateway of the tests changes the directory.
var axePath = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir + "/assets/node_modules/axe-core/axe.min.js"
}()

// accessible checks what is open, which axe-core was brought into, against WCAG
// 2.2, levels A and AA, and its advice on top of that.
func (b *browser) accessible(name string) {
	b.t.Helper()
	faults := ask(b, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"],
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary)))`,
		chromedp.EvalAwaitPromise))
	for _, f := range faults {
		b.t.Errorf("%s: %s", name, f)
	}
}
