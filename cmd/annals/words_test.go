package main

import "testing"

func TestLowerOperator(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"type:a or type:b", "or"},
		{"type:(a or b)", "or"},
		{"type:a and (b)", "and"},
		{"not type:a", "not"},
		{"a not b", "not"},
		{"a OR b", ""},
		{"or", ""},
		{"or a", ""},
		{"a or", ""},
		{"a not", ""},
		{`"x or y"`, ""},
		{`message:"x or y" z`, ""},
		{`a "or" b`, ""},
		{`a\" or b`, "or"},
		{"data.or:1 action:or order", ""},
	}
	for _, tt := range tests {
		if got := lowerOperator(tt.in); got != tt.want {
			t.Errorf("lowerOperator(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
