// Package lib is the folder where a release of the module has the archive of the library and its header. Programs with
// the build tag justredis_static import it with the module, so that "go mod vendor" copies the folder, too.
package lib
