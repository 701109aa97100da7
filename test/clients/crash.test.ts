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

test.each([21, 22])(
	"workerd killed in federated rounds, in uploads, commits and flushes (seed %i): nothing is lost or counts twice, to the bit",
	async (seed) => {
		const report = await federatedCrashRun(seed);
		expect(report.kills).toHaveLength(3);
		expect(report.acknowledged).toBeGreaterThan(0);
	},
	120_000,
);
