package web

import (
	"strings"

	"etude/internal/transcode"
)

// opsStories are the operators' pages.
func opsStories(around func(at string) opsPage) []story {
	page := func(at, title string, live any) opsPage {
		p := around(at)
		p.Title, p.Live = title, live
		for _, s := range opsSections {
			if at == s.URL || s.URL != "/ops" && strings.HasPrefix(at, s.URL) {
				p.Section = s.URL
			}
		}
		return p
	}
	one := page("/ops/jobs/"+string(jobID(4)), "Job", someJobView())
	one.Back = &link{"/ops/jobs", "Jobs"}
	list := page("/ops/jobs", "Jobs", someJobList())
	list.Form = jobFilter{
		Statuses: options("Error", "Any status", statuses...), Pipelines: append(options("", "Any pipeline"), option{Value: "1", Text: "Audio Files"}),
		Owner: "clara@example.org",
	}
	none := page("/ops/jobs", "Jobs", jobList{Filtered: true})
	none.Form = list.Form
	flash := page("/ops", "Overview", someOverview())
	flash.Flash = "Pipeline Audio Files is paused: it takes jobs and starts none."
	return []story{
		{"ops-overview", "ops-overview", flash, func(d *document) {
			d.count(".tabs a[aria-current=page]", 1)
			d.has(".sections a[aria-current=page]", "Overview")
			d.has("[role=status]", "is paused")
			d.has(".count", "10000+ Waiting oldest for 12 min")
			d.count("#ops progress", 1)
			d.count("form[action=/ops/pipelines/1/resume] button", 1)
			d.count("form[action=/ops/pipelines/2/pause] button", 1)
		}},
		{"ops-jobs", "ops-jobs", list, func(d *document) {
			d.count("#ops .file", 5)
			d.has("option[selected]", "Error")
			d.has("#ops .file", "clara@example.org")
			d.count(".pager a[rel=next]", 1)
			d.count("#ops a[href="+opsJobURL(jobID(4))+"]", 1)
		}},
		{"ops-jobs-none", "ops-jobs", none, func(d *document) {
			d.has("#ops .empty", "No job is like that.")
		}},
		{"ops-job", "ops-one", one, func(d *document) {
			d.has("h1", "holiday.wav")
			d.has("pre.log", "Invalid data found")
			d.count("#ops .file", 6)
			d.has(".crumb a", "Jobs")
		}},
	}
}

func someOverview() overview {
	return overview{
		Counts: []count{
			{"Waiting", "10000+", "/ops/jobs?status=Submitted", "oldest for 12 min", waiting},
			{"Running", "2", "/ops/jobs?status=Progressing", "", busy},
			{"Failed", "17", "/ops/jobs?status=Error", "", bad},
		},
		Running: []attemptView{{
			ID: "a-1", Job: "Sonata No. 14 in C-sharp minor, first movement (rehearsal, second take).wav", Name: "Sonata", URL: opsJobURL(jobID(1)),
			Number: 1, Node: "studio-mac-mini-2", Tone: busy, State: "Encoding", Live: true, Done: "0.420", Percent: 42, Begun: momentOf(noon),
		}},
		Pipelines: []pipelineView{
			{ID: "1", Name: "Audio Files", In: "media", Out: "media", Paused: true, Waiting: "10000+", Jobs: "/ops/jobs?pipeline=1"},
			{ID: "2", Name: "Old application, staging, with a name that somebody thought about for long", In: "in", Out: "out", Waiting: "0", Jobs: "/ops/jobs?pipeline=2"},
		},
	}
}

func someJobList() jobList {
	list := jobList{Filtered: true, Pager: pager{Newest: "/ops/jobs", Older: "/ops/jobs?before=x"}}
	for _, r := range someFiles().Rows {
		r.URL = opsJobURL(r.ID)
		list.Rows = append(list.Rows, opsRow{row: r, Owner: "clara@example.org", Pipeline: "Audio Files"})
	}
	return list
}

func someJobView() jobView {
	j := failedJob(4)
	v := jobView{opsRow: opsRow{row: newRow(j, transcode.Progress{}, noon)}, Cancel: true, From: opsJobURL(j.ID)}
	v.Facts = []fact{{Name: "Job", Value: string(j.ID), Code: true}, {Name: "Owner", Value: "clara@example.org"}, {Name: "Input", Value: j.Inputs[0].Key, Code: true}}
	for i := range j.Outputs {
		o := &j.Outputs[i]
		v.Outputs = append(v.Outputs, outputView{"Output " + o.ID, o.Key, string(o.PresetID), bad, "Error", o.StatusDetail})
	}
	for i, out := range []transcode.Outcome{transcode.Lost, transcode.Finished} {
		v.Attempts = append(v.Attempts, newAttempt(&transcode.Attempt{
			Job: j.ID, Number: i + 1, Node: "studio-1", StartTime: noon, EndTime: noon.Add(2_000_000_000), Outcome: out,
			Log: "[wav @ 0x5581] invalid start code in RIFF header\n[in#0 @ 0x5582] Error opening input: Invalid data found when processing input\n" + strings.Repeat("a-very-long-word", 20),
		}))
	}
	return v
}
