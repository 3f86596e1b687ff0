// SPDX-License-Identifier: MIT
// A C library that is linked into the test, with debug information.
int call_back(int (*function)(void *data), void *data);
int call_back(int (*function)(void *data), void *data)
{
    return function(data) + 1;
}
