module justredis

go 1.22
