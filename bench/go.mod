module github.com/penstock-go/penstock/bench

go 1.26.0

require github.com/penstock-go/penstock v0.0.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/penstock-go/penstock => ../
