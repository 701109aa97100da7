import { expect, test } from "vitest";
import { dayOf, monthOf, renewsAt } from "../../../src/shared/ledger/periods.ts";

const at = (text: string) => Date.parse(text) / 1_000;

test("days and months are UTC and end at midnight", () => {
	expect(dayOf(at("2026-11-30T23:59:59.999Z"))).toBe("2026-11-30");
	expect(dayOf(at("2026-12-01T00:00:00Z"))).toBe("2026-12-01");
	expect(monthOf("2026-12-01")).toBe("2026-12");
});

test("budgets renew at the next midnight and at the first of the next month, over leap days and years", () => {
	expect(renewsAt("day", "2028-02-28")).toBe(at("2028-02-29T00:00:00Z"));
	expect(renewsAt("day", "2026-12-31")).toBe(at("2027-01-01T00:00:00Z"));
	expect(renewsAt("month", "2026-12-05")).toBe(at("2027-01-01T00:00:00Z"));
	expect(renewsAt("month", "2027-01-31")).toBe(at("2027-02-01T00:00:00Z"));
	expect(renewsAt("total", "2026-12-05")).toBeNull();
});
