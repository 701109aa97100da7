import { SHARES } from "../../../src/shared/admission/minimum-share.ts";
import type { WaitingEntry } from "../../../src/shared/admission/waiting-room.ts";
import { PRIORITIES } from "../../../src/shared/catalog/priorities.ts";
import type { Priority } from "../../../src/shared/catalog/keys.ts";

type Entry = WaitingEntry<number>;

/** The waiting room's rules over one plain array, every question answered by a scan. */
export class NaiveWaitingRoom {
	readonly max: number;
	readonly tenantMax: number;
	entries: Entry[] = [];
	/** Start of a tenant that waits, finish of one that does not; by class and tenant. */
	readonly tags = new Map<string, number>();
	readonly virtual = new Map<Priority, number>();
	readonly credit = new Map<Priority, number>();

	constructor(max: number, tenantMax: number) {
		this.max = max;
		this.tenantMax = tenantMax;
	}

	of(priority: Priority, tenant?: string): Entry[] {
		return this.entries.filter((e) => e.priority === priority && (tenant === undefined || e.tenant === tenant));
	}

	kept(priority: Priority): number {
		return Math.floor((SHARES[priority] ?? 0) * this.max);
	}

	offer(entry: Entry): { displaced: Entry | undefined } | "full" | "tenant_full" {
		if (this.entries.some(({ id }) => id === entry.id)) return { displaced: undefined };
		const tenantFull = this.entries.filter(({ tenant }) => tenant === entry.tenant).length >= this.tenantMax;
		const unused = PRIORITIES.filter((p) => p !== entry.priority)
			.map((p) => Math.max(0, this.kept(p) - this.of(p).length))
			.reduce((a, b) => a + b, 0);
		let displaced: Entry | undefined;
		const fits = this.entries.length + unused < this.max;
		if (tenantFull || !fits) {
			displaced = PRIORITIES.slice(PRIORITIES.indexOf(entry.priority) + 1)
				.reverse()
				.filter((p) => fits || this.of(p).length > this.kept(p))
				.map((p) => this.of(p, tenantFull ? entry.tenant : undefined).at(-1))
				.find((e) => e !== undefined);
			if (!displaced) return tenantFull ? "tenant_full" : "full";
			this.drop(displaced);
		}
		if (this.of(entry.priority, entry.tenant).length === 0) {
			const tag = this.tags.get(`${entry.priority} ${entry.tenant}`) ?? 0;
			this.tags.set(`${entry.priority} ${entry.tenant}`, Math.max(tag, this.virtual.get(entry.priority) ?? 0));
		}
		this.entries.push(entry);
		return { displaced };
	}

	replace(entry: Entry, by: Entry): void {
		this.entries = this.entries.map((e) => (e === entry ? by : e));
	}

	drop(entry: Entry): void {
		this.entries = this.entries.filter((e) => e !== entry);
		if (this.of(entry.priority).length > 0) return;
		this.virtual.set(entry.priority, 0);
		for (const key of this.tags.keys()) if (key.startsWith(`${entry.priority} `)) this.tags.delete(key);
		this.credit.set(entry.priority, Math.min(0, this.credit.get(entry.priority) ?? 0));
	}

	/** The entries of a class, the fairest first. */
	fair(priority: Priority): Entry[] {
		const tag = (e: Entry) => this.tags.get(`${priority} ${e.tenant}`)!;
		return this.of(priority).sort((a, b) => tag(a) - tag(b) || this.entries.indexOf(a) - this.entries.indexOf(b));
	}

	next(admissible: (entry: Entry) => boolean): Entry | undefined {
		const isDue = (p: Priority) => {
			const [head] = this.fair(p);
			return head !== undefined && (SHARES[p] ?? 0) > 0 && (this.credit.get(p) ?? 0) >= head.cost;
		};
		const due = PRIORITIES.filter(isDue);
		for (const priority of [...due, ...PRIORITIES.filter((p) => !due.includes(p))]) {
			const entry = this.fair(priority).find(admissible);
			if (!entry) continue;
			const above = PRIORITIES.slice(0, PRIORITIES.indexOf(priority)).some((p) => this.of(p).length > 0);
			this.charge(entry, due.includes(priority) && above);
			return entry;
		}
		return undefined;
	}

	charge(entry: Entry, ahead: boolean): void {
		const { priority, tenant, cost, weight } = entry;
		const key = `${priority} ${tenant}`;
		for (const p of PRIORITIES) {
			const credit = this.credit.get(p) ?? 0;
			const earned = (SHARES[p] ?? 0) * cost;
			// A class's own first item counts with the cost of the one taken; the others' as they stand.
			const first = p === priority ? cost : (this.fair(p)[0]?.cost ?? 0);
			const most = first > 0 ? Math.max(credit, 2 * first, 2 * earned) : 0;
			if (earned > 0) this.credit.set(p, Math.min(most, credit + earned) - (p === priority && ahead ? cost : 0));
		}
		this.virtual.set(priority, Math.max(this.virtual.get(priority) ?? 0, this.tags.get(key)!));
		this.tags.set(key, this.virtual.get(priority)! + cost / weight);
		this.drop(entry);
	}
}
