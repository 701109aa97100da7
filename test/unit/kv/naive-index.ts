/** The index as its docstrings say it, with a list of block names per slot (the newest first) and no thought of speed. */
export class NaiveIndex {
	readonly slots: number;
	readonly sizeMax: number;
	readonly lists: { name: string; confirmed: boolean }[][];
	readonly capacities: number[];

	constructor(slots: number, sizeMax: number) {
		this.slots = slots;
		this.sizeMax = sizeMax;
		this.lists = Array.from({ length: slots }, () => []);
		this.capacities = Array.from({ length: slots }, () => sizeMax);
	}

	get size(): number {
		return this.lists.reduce((sum, list) => sum + list.length, 0);
	}

	heldBy(slot: number, whole: readonly string[]): number {
		const chain = distinct(whole);
		const held = new Set(this.lists[slot]!.map(({ name }) => name));
		const missing = chain.findIndex((name) => !held.has(name));
		return missing < 0 ? chain.length : missing;
	}

	insert(slot: number, whole: readonly string[], confirmed: boolean): number {
		const chain = distinct(whole).slice(0, Math.min(this.capacities[slot]!, this.sizeMax));
		const known = this.heldBy(slot, chain);
		const missing = chain.length - known;
		const flags = new Map(this.lists[slot]!.map((entry) => [entry.name, entry.confirmed]));
		const entryOf = (name: string) => ({ name, confirmed: confirmed || flags.get(name) === true });
		const front = chain.slice(0, known);
		this.lists[slot] = [...front.map(entryOf), ...this.lists[slot]!.filter(({ name }) => !front.includes(name))];
		if (missing === 0) return known;
		this.#drop(slot, this.lists[slot].length + missing - this.capacities[slot]!);
		for (let over = this.size + missing - this.sizeMax; over > 0; over = this.size + missing - this.sizeMax) {
			const candidates = this.lists.map((list, other) => ({
				other,
				evictable: list.length - (other === slot ? known : 0),
				fill: list.length / Math.max(1, this.capacities[other]!),
			}));
			const [victim] = candidates.filter((c) => c.evictable > 0).sort((a, b) => b.fill - a.fill || a.other - b.other);
			this.#drop(victim!.other, Math.min(over, victim!.evictable));
		}
		const kept = new Map(this.lists[slot].map((entry) => [entry.name, entry.confirmed]));
		this.lists[slot] = [
			...chain.map((name) => ({ name, confirmed: confirmed || kept.get(name) === true })),
			...this.lists[slot].filter(({ name }) => !chain.includes(name)),
		];
		return known;
	}

	remove(slot: number, chain: readonly string[], from: number, unconfirmedOnly: boolean): number {
		let removed = 0;
		for (const name of distinct(chain).slice(from)) {
			const entry = this.lists[slot]!.find((candidate) => candidate.name === name);
			if (!entry) break;
			if (unconfirmedOnly && entry.confirmed) continue;
			this.lists[slot] = this.lists[slot]!.filter((other) => other !== entry);
			removed++;
		}
		return removed;
	}

	setCapacity(slot: number, blocks: number): void {
		this.capacities[slot] = Math.min(this.sizeMax, blocks);
		this.#drop(slot, this.lists[slot]!.length - this.capacities[slot]);
	}

	#drop(slot: number, count: number): void {
		if (count > 0) this.lists[slot]!.splice(this.lists[slot]!.length - count, count);
	}
}

/** The chain up to the first block that was there already. */
function distinct(chain: readonly string[]): readonly string[] {
	const repeated = chain.findIndex((name, at) => chain.indexOf(name) < at);
	return repeated < 0 ? chain : chain.slice(0, repeated);
}
