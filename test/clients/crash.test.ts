import { expect, test } from "vitest";
import { crashRun } from "../crash/crash-run.ts";
import { federatedCrashRun } from "../crash/federated-crash-run.ts";

test.each([11, 12])(
	"workerd killed among 200 requests (seed %i): what was acknowledged is there, nothing leaks",
	async (seed) => {
		const report = await crashRun(seed);
		expect(report.answered).toBeGreaterThanOrEqual(report.killedAt);
		expect(report.answered).toBeLessThan(200);
	},
);

test("workerd killed in federated rounds, in uploads, commits, flushes and roll backs: nothing is lost or counts twice, to the bit", async () => {
	// How many kills fall into the making of a version is chance: `npm run test:crash` says it.
	const report = await federatedCrashRun(21);
	expect(report.kills).toHaveLength(5);
	expect(report.acknowledged).toBeGreaterThan(0);
}, 240_000);
