package query_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/annals-io/annals/internal/query"
)

func ExampleParse() {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	e, err := query.Parse(`type:(order.* OR invoice.paid) -outcome:success time:24h`, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e)

	var doc query.JSONDocument
	doc.Reset([]byte(`{"id":"1","time":"2026-03-10T09:00:00.000000000Z","type":"order.placed"}`))
	fmt.Println(query.Eval(e, &doc))
	// Output:
	// (type:order.* OR type:invoice.paid) -outcome:success time:>=2026-03-09T12:00:00Z
	// true
}

func ExampleSyntaxError_Caret() {
	_, err := query.Parse("type:order.* actr:alice", time.Now())
	var bad *query.SyntaxError
	if errors.As(err, &bad) {
		fmt.Println(bad)
		fmt.Println(bad.Caret())
		fmt.Println(bad.Hint)
	}
	// Output:
	// filter, character 14: unknown field "actr"
	// type:order.* actr:alice
	//              ^
	// did you mean actor?
}
