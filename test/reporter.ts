import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Ends a run with one line that any CI can read: `N passed, N failed`, and `, N skipped` if any were. A file that could not
 *  be loaded and an error outside of every test count as failures. */
export default class TotalsReporter implements Reporter {
	onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
		const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
		for (const module of modules) {
			for (const test of module.children.allTests()) count[test.result().state] += 1;
			if (module.state() === "failed" && !failedTests(module)) count.failed += 1;
		}
		const skipped = count.skipped ? `, ${count.skipped} skipped` : "";
		const totals = `${count.passed} passed, ${count.failed + count.pending} failed${skipped}`;
		// Other reporters still print after this one was told; nothing prints after the end of the process.
		process.once("exit", () => console.log(totals));
	}
}

function failedTests(module: TestModule): boolean {
	return [...module.children.allTests()].some((test) => test.result().state === "failed");
}
