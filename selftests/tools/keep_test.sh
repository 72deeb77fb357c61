#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# keep_test.sh [SECONDS]: long storms over graphs whose connections keep, in the test machine; graph_test.sh has a short one.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

storm=$(dirname "$0")/../../build/selftests/tools/keep_storm
seconds=${1:-60}

# shellcheck disable=SC2154 # want sets it
told() { echo "$said" | sed 's/^/# /'; }

test_case "blocks are killed at random: all that was queued arrives, and what is lost is told exactly"
want 0 -- "$storm" "$seconds"
told
test_case "so it is while parameters and connections are changed"
want 0 -- "$storm" --meddle "$seconds"
told
finish
