import { expect, test } from "vitest";
import { crashRun } from "../crash/crash-run.ts";

test.each([11, 12])(
	"workerd killed among 200 requests (seed %i): what was acknowledged is there, nothing leaks",
	async (seed) => {
		const report = await crashRun(seed);
		expect(report.answered).toBeGreaterThanOrEqual(report.killedAt);
		expect(report.answered).toBeLessThan(200);
	},
);
