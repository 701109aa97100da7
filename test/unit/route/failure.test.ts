import { describe, expect, test } from "vitest";
import { plainMessage } from "../../../functions/route/failure.ts";

describe("what went wrong on the way to a pool", () => {
	test.each([
		[new Error("Network connection lost."), "Network connection lost"],
		[new Error("Connection refused"), "Connection refused"],
		["odd...", "odd"],
		[
			new Error("internal error; reference = 8ig1d2f0a7m3"),
			"the pool cannot be reached, or the name of its host does not resolve",
		],
	])("%s", (error, message) => expect(plainMessage(error)).toBe(message));
});
