//go:build gopy

package main

import _ "goloop/build/gopy" // what gopy makes of package control, while goloop is built
