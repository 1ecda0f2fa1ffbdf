package sample

import "testing"

func TestPasses(t *testing.T) {
	t.Log("nobody hears this")
}

func TestFails(t *testing.T) {
	t.Run("deep", func(t *testing.T) {
		t.Error("deep trouble")
	})
}

func TestSkipsWell(t *testing.T) {
	t.Log("looking")
	t.Skip("skip: class B data of 2015")
}

func TestSkipsOddly(t *testing.T) {
	t.Skip("not today")
}
