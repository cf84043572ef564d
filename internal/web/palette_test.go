package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast holds the palette, light and dark, to WCAG 2.2's level AA: text
// 4.5:1 (1.4.3), what marks a control 3:1 (1.4.11).
func TestContrast(t *testing.T) {
	light, dark, ok := strings.Cut(string(styleSource), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("the styles have no dark palette")
	}
	dark, _, _ = strings.Cut(dark, "\n}\n")
	pairs := []struct {
		over, under string
		want        float64
	}{
		{"ink", "paper", 4.5}, {"ink", "sheet", 4.5}, {"ink", "good-tint", 4.5}, {"ink", "bad-tint", 4.5},
		{"soft", "paper", 4.5}, {"soft", "sheet", 4.5},
		{"accent", "paper", 4.5}, {"accent", "sheet", 4.5}, {"accent", "tint", 4.5}, {"accent-strong", "tint", 4.5},
		{"on-accent", "accent", 4.5}, {"on-accent", "accent-strong", 4.5},
		{"good", "sheet", 4.5}, {"good", "paper", 4.5}, {"good", "good-tint", 4.5}, {"sheet", "good", 4.5},
		{"bad", "sheet", 4.5}, {"bad", "paper", 4.5}, {"bad", "bad-tint", 4.5},
		{"wait", "sheet", 4.5}, {"wait", "paper", 4.5},
		{"edge", "sheet", 3}, {"edge", "paper", 3}, {"accent", "track", 3},
	}
	for name, css := range map[string]string{"light": light, "dark": dark} {
		palette := colours(t, css)
		for _, p := range pairs {
			if got := contrast(palette[p.over], palette[p.under]); got < p.want {
				t.Errorf("%s: %s on %s has %.2f:1, want %.1f:1", name, p.over, p.under, got, p.want)
			}
		}
	}
}

var colour = regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6});`)

// colours reads the custom properties that are colours, as relative luminance.
func colours(t *testing.T, css string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, m := range colour.FindAllStringSubmatch(css, -1) {
		v, err := strconv.ParseUint(m[2], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		found[m[1]] = 0.2126*linear(v>>16) + 0.7152*linear(v>>8&0xff) + 0.0722*linear(v&0xff)
	}
	return found
}

func linear(channel uint64) float64 {
	c := float64(channel) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
