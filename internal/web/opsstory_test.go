package web

import (
	"strconv"
	"strings"
	"time"

	"etude/internal/notify"
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
	rules := page("/ops/rules", "Rules", someRules())
	rule := page("/ops/rules/new", "New rule", nil)
	rule.Back, rule.Form = &link{"/ops/rules", "Rules"}, someRuleForm()
	rule.Fault = "The prefix of all outputs lies below the prefix of the rule: it would start itself."
	test := page("/ops/rules/test", "Try the rules", nil)
	test.Back, test.Form = &link{"/ops/rules", "Rules"}, someTestForm()
	deliveries := page("/ops/deliveries", "Deliveries", someDeliveries())
	deliveries.Form = deliveryFilter{States: options("Dead", "Any state", deliveryStates...), Topics: options("", "Any topic", "etude-jobs"), Dead: true}
	delivery := page("/ops/deliveries/1", "Delivery", someDelivery())
	delivery.Back = &link{"/ops/deliveries", "Deliveries"}
	topics := page("/ops/topics", "Topics", topicList{Topics: []topicRow{
		{ARN: "arn:aws:sns:eu-west-1:000000000000:etude-jobs", Name: "etude-jobs", URL: "/ops/topics/x", Subscriptions: "12 subscriptions", Pending: 2, Made: momentOf(noon)},
	}})
	topic := page("/ops/topics/x", "Topic", someTopic())
	topic.Back = &link{"/ops/topics", "Topics"}
	return []story{
		{"ops-rules", "ops-rules", rules, func(d *document) {
			d.count("#ops .file", 3)
			d.count("form[action=/ops/rules/named/media/disable]", 1)
			d.count("form[action=/ops/rules/named/old/enable]", 1)
		}},
		{"ops-rules-none", "ops-rules", page("/ops/rules", "Rules", ruleList{}), func(d *document) { d.has(".empty", "No rules yet.") }},
		{"ops-rule", "ops-rule", rule, func(d *document) {
			d.has("[role=alert]", "it would start itself")
			d.count("select[name=preset]", 2)
			d.count("form[action=/ops/rules]", 1)
		}},
		{"ops-test", "ops-test", test, func(d *document) {
			d.count("#result", 1)
			d.has("pre", "PipelineId")
			d.count("main .file", 2)
		}},
		{"ops-deliveries", "ops-deliveries", deliveries, func(d *document) {
			d.count("#ops .file", 5)
			d.count("form[action=/ops/deliveries/replay]", 1)
			d.has(".file", "Trying again in 40 s")
		}},
		{"ops-delivery", "ops-one", delivery, func(d *document) {
			d.count("#ops .file", 2)
			d.has("pre", "Service Unavailable")
			d.has("dd", "https://…@hooks.example.com/etude")
		}},
		{"ops-topics", "ops-topics", topics, func(d *document) { d.has(".file", "2 not confirmed") }},
		{"ops-topic", "ops-one", topic, func(d *document) {
			d.count("#ops .file", 2)
			d.has(".file dd", "is set")
			d.has(".file", "Waits for its confirmation")
		}},
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
		v.Outputs = append(v.Outputs, outputView{"Output " + o.ID, o.Key, string(o.PresetID), bad, "Error", o.StatusDetail, why(o.Failure)})
	}
	for i, out := range []transcode.Outcome{transcode.Lost, transcode.Finished} {
		v.Attempts = append(v.Attempts, newAttempt(&transcode.Attempt{
			Job: j.ID, Number: i + 1, Node: "studio-1", StartTime: noon, EndTime: noon.Add(2_000_000_000), Outcome: out,
			Log: "[wav @ 0x5581] invalid start code in RIFF header\n[in#0 @ 0x5582] Error opening input: Invalid data found when processing input\n" + strings.Repeat("a-very-long-word", 20),
		}))
	}
	return v
}

func someRules() ruleList {
	return ruleList{Rules: []ruleView{
		{Name: "media", URL: ruleURL("media"), Takes: "media/media/… .wav … .flac", Makes: "3 outputs in Audio Files", Tone: good, State: "On", On: true, LabelFlips: "Turn off"},
		{Name: "old", URL: ruleURL("old"), Takes: "archive/in/…", Makes: "1 output in Old application", Tone: waiting, State: "Off", FromFile: true, LabelFlips: "Turn on"},
		{Name: "a-rule-with-a-long-name-that-somebody-thought-about", URL: ruleURL("a"), Takes: "media/x/…", Makes: "1 output in Audio Files", Tone: bad,
			State: "Stopped", Why: "It has made 200000 jobs within an hour, which is more than its maxPerHour.", LabelFlips: "Let it go on"},
	}}
}

func someRuleForm() *ruleForm {
	f := &ruleForm{
		Action: "/ops/rules", New: true, Name: "media", Bucket: "media", Prefix: "media/", Suffixes: ".wav .flac", OutputPrefix: "media/made/",
		Pipelines: []option{{Value: "1", Text: "Audio Files (from media)", Selected: true}}, MaxPerHour: "1000", Enabled: true,
		Places: []fact{{Name: "{name}", Value: "the last part of the key without its ending: 01 Intro"}},
	}
	for i := range 2 {
		f.Outputs = append(f.Outputs, outputFields{Number: i + 1, Presets: options("Audio FLAC - CD", "None", "Audio FLAC - CD", "Audio MP3 - 320 kilobits/second"), Key: "{id}/{name}.{ext}"})
	}
	return f
}

func someTestForm() *testForm {
	return &testForm{
		Event: `{"Records":[{"eventName":"ObjectCreated:Put"}]}`, Name: "An upload of a long concert", Kept: options("An upload of a long concert", "An upload"), Tried: true,
		Trials: []trialView{
			{Object: "media/media/My song.wav", Rule: "media", Tone: good, Words: "It would ask for this job:", Request: "{\n  \"PipelineId\": \"1533838012294-q7w8e9\"\n}"},
			{Object: "media/media/My song.txt", Rule: "old", Tone: waiting, Words: `It takes keys that end with ".wav" or ".flac".`},
		},
	}
}

func someDeliveries() deliveryList {
	due := time.Now().Add(40*time.Second + 400*time.Millisecond)
	list := deliveryList{Filtered: true, Pager: pager{Older: "/ops/deliveries?before=x"}}
	for i, d := range []notify.Delivery{
		{State: notify.Pending},
		{State: notify.Pending, Tries: 3, Due: due, LastError: "Post https://hooks.example.com/etude: dial tcp: connection refused"},
		{State: notify.Delivered, Tries: 1},
		{State: notify.Dead, Tries: 12, LastError: "it answered 404 Not Found"},
		{State: notify.Dropped},
	} {
		d.ID, d.Protocol, d.Endpoint, d.Type = notify.DeliveryID(strconv.Itoa(i)), notify.HTTPS, "https://hooks.example.com/etude", notify.Notification
		d.Subject = "Amazon Elastic Transcoder has finished transcoding job 1533838012294-q7w8e9."
		list.Rows = append(list.Rows, newDelivery(&d))
	}
	return list
}

func someDelivery() deliveryView {
	d := notify.Delivery{ID: "1", State: notify.Dead, Tries: 2, Protocol: notify.HTTPS, Endpoint: "https://ann:secret@hooks.example.com/etude", Subject: "Amazon Elastic Transcoder has finished transcoding job 1533838012294-q7w8e9."}
	v := deliveryView{deliveryRow: newDelivery(&d), From: "/ops/deliveries/1", Body: "{\n  \"state\" : \"COMPLETED\"\n}"}
	v.Facts = []fact{{Name: "Endpoint", Value: v.To, Code: true}, {Name: "Topic", Value: "arn:aws:sns:eu-west-1:000000000000:etude-jobs", Code: true}}
	v.Tries = []tryView{
		newTry(&notify.Try{Number: 1, Node: "studio-1", Start: noon, Duration: 15 * time.Second, Error: "no answer within 15 s"}),
		newTry(&notify.Try{Number: 2, Node: "studio-1", Start: noon, Duration: 31 * time.Millisecond, Status: 503, Error: "it answered 503", Answer: "<h1>Service Unavailable</h1>\n" + strings.Repeat("long", 60)}),
	}
	return v
}

func someTopic() topicView {
	return topicView{
		Name: "etude-jobs", Deliveries: "/ops/deliveries?topic=x", Facts: []fact{{Name: "ARN", Value: "arn:aws:sns:eu-west-1:000000000000:etude-jobs", Code: true}},
		Subscriptions: []subscriptionView{
			{ARN: "1", Protocol: "https", To: "https://hooks.example.com/etude", Tone: good, State: "Confirmed", Deliveries: "/ops/deliveries?subscription=1",
				Policies: attributeFacts(notify.Attributes{"FilterPolicy": `{"state":["COMPLETED"]}`, notify.WebhookSecret: "whsec_x"})},
			{ARN: "2", Protocol: "email", To: "clara@example.org", Tone: mixed, State: "Waits for its confirmation", Deliveries: "/ops/deliveries?subscription=2"},
		},
	}
}
