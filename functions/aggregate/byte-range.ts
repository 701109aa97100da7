import { err, ok, type Result } from "../../src/shared/result.ts";

/** Bytes from `first` to `last`, both of them included. */
export interface ByteRange {
	readonly first: number;
	readonly last: number;
}

/** What `Range` asks of `size` bytes: null is all of them, also where the header names several ranges or other units, which a
 *  server may ignore (RFC 9110, 14.2). An error: nothing of it is there. */
export function readRange(header: string | null, size: number): Result<ByteRange | null, "unsatisfiable"> {
	const match = /^bytes= *(\d{0,15}) *- *(\d{0,15}) *$/i.exec(header ?? "");
	const [, from = "", to = ""] = match ?? [];
	if (from === "" && to === "") return ok(null);
	if (from === "") {
		const count = Math.min(Number(to), size);
		return count === 0 ? err("unsatisfiable") : ok({ first: size - count, last: size - 1 });
	}
	const first = Number(from);
	const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
	if (to !== "" && Number(to) < first) return ok(null);
	return first >= size ? err("unsatisfiable") : ok({ first, last });
}

/** What `Content-Range: bytes 0-99/1000` says; null when it says nothing that can be. */
export function readContentRange(header: string): (ByteRange & { readonly size: number }) | null {
	const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header.trim());
	if (!match) return null;
	const [first = 0, last = 0, size = 0] = match.slice(1).map(Number);
	return first <= last && last < size ? { first, last, size } : null;
}
