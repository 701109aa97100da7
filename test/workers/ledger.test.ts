import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../durable-objects/ledger.ts";
import { LEDGER_MIGRATIONS } from "../../durable-objects/ledger.migrations.ts";
import { LedgerStore } from "../../durable-objects/ledger.store.ts";
import { migrate } from "../../durable-objects/sql-migrations.ts";
import { NOTHING } from "../../src/shared/ledger/amounts.ts";
import type { KeyLimits, LeaseRequest, LedgerMail } from "../../src/shared/ledger/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import { amount, limits, record, settlement } from "../unit/ledger/memory.ts";

let tenants = 0;
const newTenant = () => env.LEDGER.getByName(`tenant-${tenants++}`);
type Stub = ReturnType<typeof newTenant>;

function request(lease: string, keyLimits: Partial<KeyLimits>, part: Partial<LeaseRequest> = {}): LeaseRequest {
	return { lease, key: "key_a", limits: limits(keyLimits), need: amount(100), want: 1, returns: [], ...part };
}

function mail(part: Partial<LedgerMail>): LedgerMail {
	return { settlements: [], returns: [], renewals: [], ...part };
}

/** The same object's storage under other settings: only its own instance knows the deployment's. */
function withSettings<T>(stub: Stub, settings: Partial<Settings>, run: (ledger: Ledger) => T | Promise<T>): Promise<T> {
	return runInDurableObject(stub, (_, state) => run(new Ledger(state, { ...env, SETTINGS: JSON.stringify(settings) })));
}

describe("a budget under a rush", () => {
	test("1,000 concurrent calls against a budget for 100: exactly 100 are granted", async () => {
		const stub = newTenant();
		const keyLimits = { dayNano: 100 * 100 + 99 };
		const replies = await Promise.all(
			Array.from({ length: 1_000 }, (_, n) => stub.lease(request(`l${n}`, keyLimits), `holder-${n % 8}`)),
		);
		expect(replies.filter((reply) => reply.ok)).toHaveLength(100);
		expect(replies.find((reply) => !reply.ok)).toMatchObject({
			error: { code: "budget_exhausted", period: "day", leftNano: 99, neededNano: 100 },
		});
		expect(await stub.budget("key_a")).toMatchObject({ spent: { day: 0 }, outstanding: { nano: 10_000, slots: 100 } });
	});

	test("when each would like more, what is granted together is still 100 and not one less", async () => {
		const stub = newTenant();
		const replies = await Promise.all(
			Array.from({ length: 1_000 }, async (_, n) => {
				const reply = await stub.lease(request(`l${n}`, { totalNano: 100 * 100 }, { want: 16 }), "holder");
				// This holder uses one and gives the rest back at once, as if it had been recalled.
				if (!reply.ok) return 0;
				const { granted } = reply.value;
				const unused = {
					nano: granted.nano - 100,
					requests: granted.requests - 1,
					tokens: 0,
					slots: granted.slots - 1,
				};
				await stub.mail(mail({ returns: [{ lease: `l${n}`, unused }] }), "holder");
				return 1;
			}),
		);
		expect(replies.reduce<number>((sum, one) => sum + one, 0)).toBe(100);
		expect(await stub.budget("key_a")).toMatchObject({ outstanding: { nano: 10_000 } });
	});
});

describe("what the ledger has acknowledged", () => {
	test("is there after the object was evicted, and after it was killed", async () => {
		const stub = newTenant();
		const keyLimits = { dayNano: 1_000, requestsPerMinute: 1_000 };
		await stub.lease(request("l1", keyLimits), "h");
		await stub.lease(request("l2", keyLimits), "h");
		await stub.mail(mail({ settlements: [settlement("r1", "l1", amount(100), 40)] }), "h");
		const before = await stub.budget("key_a");
		expect(before).toMatchObject({
			spent: { day: 40, total: 40 },
			outstanding: { nano: 100 },
			limits: limits(keyLimits),
		});
		for (const gone of [() => evictDurableObject(stub), () => abortAllDurableObjects()]) {
			await gone();
			const again = env.LEDGER.get(stub.id);
			expect(await again.budget("key_a")).toEqual(before);
			expect(await again.lease(request("l2", keyLimits), "h")).toMatchObject({ value: { granted: amount(100) } });
			// Sent again by an isolate that did not hear the answer.
			await again.mail(mail({ settlements: [settlement("r1", "l1", amount(100), 40)] }), "h");
			expect(await again.budget("key_a")).toEqual(before);
			expect(await again.lease(request("l3", keyLimits, { need: amount(861) }), "h")).toMatchObject({ ok: false });
		}
	});

	test("a mail that fails half-way leaves nothing behind, in memory neither", async () => {
		const stub = newTenant();
		await stub.lease(request("l1", {}), "h");
		await runInDurableObject(stub, async (ledger: Ledger, state) => {
			state.storage.sql.exec("CREATE TRIGGER broken BEFORE INSERT ON usage BEGIN SELECT RAISE(ABORT, 'disk'); END");
			const sent = mail({ settlements: [settlement("r1", "l1", amount(100), 40)] });
			await expect(ledger.mail(sent, "h")).rejects.toThrow("disk");
			expect(ledger.budget("key_a")).toMatchObject({ spent: { total: 0 }, outstanding: { nano: 100 } });
			expect(ledger.request("r1")).toBeNull();
			state.storage.sql.exec("DROP TRIGGER broken");
			await ledger.mail(sent, "h");
			expect(ledger.budget("key_a")).toMatchObject({ spent: { total: 40 }, outstanding: NOTHING });
		});
	});
});

describe("records and usage", () => {
	test("a request can be read by its id; usage adds up by day, key, model and pool", async () => {
		const stub = newTenant();
		const of = (id: string, key: string, pool: string, cost: number) => ({
			lease: null,
			reserved: NOTHING,
			record: record(id, { key, pool, cost_nano_usd: cost, cached_tokens: 4 }),
		});
		const ofStart = of("r1", "key_a", "p1", 5);
		const settlements = [
			{ ...ofStart, record: { ...ofStart.record, start_nano_usd: 3 } },
			of("r2", "key_a", "p1", 6),
			of("r3", "key_b", "p2", 7),
		];
		await stub.mail(mail({ settlements }), "h");
		expect(await stub.request("r2")).toEqual(settlements[1]?.record);
		expect(await stub.request("r9")).toBeNull();
		const rows = await stub.usage({});
		expect(rows).toHaveLength(2);
		expect(rows[0]).toEqual({
			day: new Date().toISOString().slice(0, 10),
			key: "key_a",
			model: "m",
			pool: "p1",
			requests: 2,
			prompt_tokens: 20,
			cached_tokens: 8,
			completion_tokens: 40,
			cost_nano_usd: 11,
			start_nano_usd: 3,
			hedge_nano_usd: 0,
			unconfirmed_nano_usd: 0,
		});
		expect(await stub.usage({ key: "key_b", model: "m", pool: "p2" })).toMatchObject([{ cost_nano_usd: 7 }]);
		expect(await stub.usage({ to: "2020-01-01" })).toEqual([]);
		expect(await stub.usage({ from: "2020-01-01", to: "2999-01-01" })).toEqual(rows);
	});
});

describe("a statement", () => {
	test("is of one moment: rows and budget agree while leases end and settlements come", async () => {
		const stub = newTenant();
		await withSettings(stub, { leaseSeconds: 0.05, requestsPerLeaseMax: 1 }, async (ledger) => {
			for (let n = 0; n < 40; n++) await ledger.lease(request(`s${n}`, { totalNano: 1e6 }), "h");
			let outstanding = Infinity;
			for (let n = 0; outstanding > 0; n++) {
				if (n % 3 === 0) {
					const settlements = [settlement(`r${n}`, `s${n % 40}`, amount(100), 40)];
					await ledger.mail(mail({ settlements }), "h");
				}
				const { rows, budget } = ledger.statement({ key: "key_a" }, "key_a");
				outstanding = budget.outstanding.nano;
				expect(rows.reduce((sum, row) => sum + row.cost_nano_usd, 0)).toBe(budget.spent.total);
				await new Promise((resolve) => setTimeout(resolve, 2));
			}
		});
	});
});

describe("the alarm", () => {
	test("ends a lease that nobody renewed, even in an object that was evicted, and then has nothing more to do", async () => {
		const stub = newTenant();
		const keyLimits = { dayNano: 1_000, concurrency: 1 };
		await withSettings(stub, { leaseSeconds: 0.01 }, (ledger) => ledger.lease(request("l1", keyLimits), "h"));
		await evictDurableObject(stub);
		await new Promise((resolve) => setTimeout(resolve, 20));
		expect(await runDurableObjectAlarm(stub)).toBe(true);
		await runInDurableObject(stub, (_, state) => {
			expect(state.storage.sql.exec("SELECT state FROM leases").toArray()).toEqual([{ state: "expired" }]);
		});
		expect(await stub.budget("key_a")).toMatchObject({ spent: { day: 100 }, outstanding: NOTHING });
		expect(await stub.usage({})).toMatchObject([
			{ model: "", pool: "", cost_nano_usd: 100, unconfirmed_nano_usd: 100 },
		]);

		// The holder was only slow: its report replaces the charge.
		await stub.mail(mail({ settlements: [settlement("r1", "l1", amount(100), 30)] }), "h");
		expect(await stub.budget("key_a")).toMatchObject({ spent: { day: 30, month: 30, total: 30 } });
		expect(await stub.usage({ model: "m" })).toMatchObject([{ cost_nano_usd: 30, requests: 1 }]);
	});

	test("forgets records and ended leases when they are old, and keeps usage", async () => {
		const stub = newTenant();
		await stub.lease(request("l1", {}), "h");
		await stub.mail(mail({ settlements: [settlement("r1", "l1", amount(100), 30)] }), "h");
		expect(await runDurableObjectAlarm(stub)).toBe(true);
		expect(await stub.request("r1")).not.toBeNull();
		await runInDurableObject(stub, async (_, state) => {
			await new Promise((resolve) => setTimeout(resolve, 10));
			await new Ledger(state, { ...env, SETTINGS: '{"recordHours":1e-6}' }).alarm();
			expect(state.storage.sql.exec("SELECT id FROM records UNION ALL SELECT id FROM leases").toArray()).toEqual([]);
		});
		await evictDurableObject(stub);
		expect(await stub.request("r1")).toBeNull();
		expect(await stub.usage({})).toMatchObject([{ cost_nano_usd: 30 }]);
		await runDurableObjectAlarm(stub);
		expect(await runInDurableObject(stub, (_, state) => state.storage.getAlarm())).toBeNull();
	});

	test("keeps only the newest records of a tenant that has too many", async () => {
		const stub = newTenant();
		const settlements = Array.from({ length: 5 }, (_, n) => settlement(`r${n}`, null, NOTHING, 1));
		await stub.mail(mail({ settlements }), "h");
		await runInDurableObject(stub, (_, state) => {
			expect(new LedgerStore(state.storage).purge(0, 2)).toBe(false);
			expect(state.storage.sql.exec("SELECT id FROM records").toArray()).toEqual([{ id: "r3" }, { id: "r4" }]);
		});
	});

	test("is not set for what leaves nothing to do", async () => {
		const stub = newTenant();
		await stub.lease(request("l1", { dayNano: 1 }), "h");
		await stub.budget("key_a");
		expect(await runInDurableObject(stub, (_, state) => state.storage.getAlarm())).toBeNull();
	});
});

describe("the schema", () => {
	test("of an object from before there were lines of usage for starts and hedges gets them, at zero", async () => {
		await runInDurableObject(newTenant(), (_, { storage }) => {
			for (const name of ["accounts", "leases", "records", "usage", "migrations"])
				storage.sql.exec(`DROP TABLE ${name}`);
			migrate(storage, LEDGER_MIGRATIONS.slice(0, 1));
			storage.sql.exec("INSERT INTO usage VALUES ('2026-11-01', 'key_a', 'm', 'p', 1, 2, 3, 4, 5, 0)");
			migrate(storage, LEDGER_MIGRATIONS);
			const store = new LedgerStore(storage);
			expect(store.usage({})).toMatchObject([{ cost_nano_usd: 5, start_nano_usd: 0, hedge_nano_usd: 0 }]);
		});
	});

	test("goes on where an object stands, and refuses a list that was changed", async () => {
		await runInDurableObject(newTenant(), (_, state) => {
			const second = {
				id: "second",
				sql: "ALTER TABLE usage ADD COLUMN note TEXT; CREATE TABLE extra (n INTEGER) STRICT;",
			};
			migrate(state.storage, [...LEDGER_MIGRATIONS, second]);
			migrate(state.storage, [...LEDGER_MIGRATIONS, second]);
			expect(state.storage.sql.exec("SELECT count(*) AS n FROM migrations").one()).toEqual({
				n: LEDGER_MIGRATIONS.length + 1,
			});
			expect(() => migrate(state.storage, LEDGER_MIGRATIONS)).toThrow("append-only");
			expect(() => migrate(state.storage, [...LEDGER_MIGRATIONS, { ...second, sql: "" }])).toThrow("append-only");
			const broken = { id: "third", sql: "CREATE TABLE half (n INTEGER); CREATE TABLE extra (n INTEGER);" };
			expect(() => migrate(state.storage, [...LEDGER_MIGRATIONS, second, broken])).toThrow("extra");
			expect(state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'half'").toArray()).toEqual([]);
		});
	});
});
