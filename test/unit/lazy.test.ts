import { expect, test } from "vitest";
import { lazy } from "../../src/shared/lazy.ts";

test("is made at the first use, once, also where it is undefined", () => {
	let made = 0;
	const each = lazy(() => ({ made: ++made }));
	const nothing = lazy(() => void ++made);
	expect(made).toBe(0);
	expect([each(), each()]).toEqual([{ made: 1 }, { made: 1 }]);
	expect(each()).toBe(each());
	expect([nothing(), nothing(), made]).toEqual([undefined, undefined, 2]);
});

test("is tried again where making it failed", () => {
	let tries = 0;
	const each = lazy(() => {
		if (++tries === 1) throw new Error("not yet");
		return tries;
	});
	expect(each).toThrow("not yet");
	expect(each()).toBe(2);
});
