module tools/pause

go 1.21
