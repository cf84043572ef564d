package account_test

import (
	"testing"

	"etude/internal/account"
)

func TestMay(t *testing.T) {
	// Who may do an action may do so in every greater role.
	least := map[account.Action]account.Role{
		"elastictranscoder:ReadJob":                     account.ReadOnly,
		"elastictranscoder:ListPresets":                 account.ReadOnly,
		"elastictranscoder:CreateJob":                   account.Submitter,
		"elastictranscoder:CancelJob":                   account.Submitter,
		"elastictranscoder:TestRole":                    account.Submitter,
		"elastictranscoder:CreatePipeline":              account.Admin,
		"elastictranscoder:UpdatePipelineStatus":        account.Admin,
		"elastictranscoder:UpdatePipelineNotifications": account.Admin,
		"elastictranscoder:DeletePreset":                account.Admin,
		"elastictranscoder:GetObject":                   account.Admin, // no such action
		"s3:GetObject":                                  account.ReadOnly,
		"s3:ListAllMyBuckets":                           account.ReadOnly,
		"s3:GetBucketPolicy":                            account.ReadOnly,
		"s3:PutObject":                                  account.Submitter,
		"s3:DeleteObject":                               account.Submitter,
		"s3:AbortMultipartUpload":                       account.Submitter,
		"s3:PutObjectAcl":                               account.Admin,
		"s3:PutObjectRetention":                         account.Admin,
		"s3:BypassGovernanceRetention":                  account.Admin,
		"s3:PutBucketPolicy":                            account.Admin,
		"s3:PutBucketNotification":                      account.Admin,
		"s3:CreateBucket":                               account.Admin,
		"s3:DeleteBucket":                               account.Admin,
		"s3:*":                                          account.Admin,
		"sns:ListTopics":                                account.ReadOnly,
		"sns:GetSubscriptionAttributes":                 account.ReadOnly,
		"sns:Subscribe":                                 account.Submitter,
		"sns:Unsubscribe":                               account.Admin,
		"sns:Publish":                                   account.Admin,
		"sns:CreateTopic":                               account.Admin,
		"sts:GetCallerIdentity":                         account.ReadOnly,
		"sts:GetSessionToken":                           account.Admin,
		"iam:ListUsers":                                 account.Admin, // a service that is not there
		"ReadJob":                                       account.Admin,
		"":                                              account.Admin,
	}
	rank := map[account.Role]int{"": 0, "root": 0, account.ReadOnly: 1, account.Submitter: 2, account.Admin: 3}
	for action, role := range least {
		for r, n := range rank {
			if got, want := r.May(action), n >= rank[role]; got != want {
				t.Errorf("%q may %q: %t, want %t", r, action, got, want)
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	tests := []struct {
		who  account.Identity
		want string
	}{
		{
			account.Identity{Email: "ann@example.com", User: "1", Role: account.ReadOnly},
			"User: arn:aws:iam::123456789012:user/ann@example.com is not authorized to perform: s3:PutObject because the role of its access key is read-only",
		},
		{
			account.Identity{User: "1", Role: account.Submitter},
			"User: arn:aws:iam::123456789012:user/1 is not authorized to perform: s3:PutObject because the role of its access key is submitter",
		},
	}
	for _, tt := range tests {
		if got := tt.who.Refusal("s3:PutObject", "123456789012"); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	root := account.Identity{User: "1", Role: account.Admin, Root: true}
	if got, want := root.ARN("123456789012"), "arn:aws:iam::123456789012:root"; got != want {
		t.Errorf("root's ARN = %s, want %s", got, want)
	}
}
