"""The classic BPF machine (McCanne and Jacobson, 1993): runs a program that libpcap compiled over the rows of a batch.

A program is a flat table, four numbers an instruction: code, jt, jf, k. Registers are 32 bits wide and unsigned. A load
outside of the captured bytes, a division by zero and an instruction that the machine does not have mean: no match.
"""

from __future__ import annotations

from lippycat_core.columns import FILTERED, FRESH, I64, U8, Frame, Route
from lippycat_core.kernels.load import be16, be32, u8

WIDTH = 4  # numbers an instruction
MEMORY = 16  # scratch words M[]
MASK = 0xFFFFFFFF

# Instruction classes (code & 7)
LD, LDX, ST, STX, ALU, JMP, RET, MISC = 0, 1, 2, 3, 4, 5, 6, 7
# Sizes (code & 0x18) and modes (code & 0xE0) of loads
WORD, HALF, BYTE = 0x00, 0x08, 0x10
IMM, ABS, IND, MEM, LEN, MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
# Operations (code & 0xF0) of ALU and JMP; their operand is X with this bit, else k
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0
JA, JEQ, JGT, JGE, JSET = 0x00, 0x10, 0x20, 0x30, 0x40
OPERAND_X = 0x08
RET_A = 0x10
TXA = 0x80


def filter_rows(
    slab: U8, frame: Frame, route: Route, program: I64, memory: I64, link: int, skip: int, begin: int, end: int
) -> None:
    """Set FRESH rows of link type `link` from `begin` to `end` FILTERED where `program` says no.

    The program sees the packet from byte `skip` on; `memory` holds its 16 scratch words.
    """
    for row in range(begin, end):
        if route.status[row] != FRESH or frame.link[row] != link:
            continue
        off = int(frame.off[row]) + skip
        caplen = int(frame.caplen[row]) - skip
        if not matches(slab, program, memory, off, caplen, int(frame.wirelen[row]) + 0):
            route.status[row] = FILTERED


def matches(slab: U8, program: I64, memory: I64, off: int, caplen: int, wirelen: int) -> bool:
    """Run the program on one packet. Jumps only go forward, so it ends after at most its own length."""
    a = 0
    x = 0
    for i in range(MEMORY):
        memory[i] = 0
    pc = 0
    instructions = len(program) >> 2
    while pc < instructions:
        code = int(program[pc * WIDTH]) + 0
        k = int(program[pc * WIDTH + 3]) + 0
        kind = code & 7
        pc += 1
        if kind == LD:
            a = load(slab, memory, code, k, x, off, caplen, wirelen)
            if a < 0:
                return False
        elif kind == JMP:
            operand = k
            if code & OPERAND_X:
                operand = x
            operation = code & 0xF0
            if operation == JA:
                pc += k
            elif compare(operation, a, operand):
                pc += int(program[(pc - 1) * WIDTH + 1])
            else:
                pc += int(program[(pc - 1) * WIDTH + 2])
        elif kind == RET:
            if code & 0x18 == RET_A:
                return a != 0
            return k != 0
        elif kind == LDX:
            x = load_x(slab, memory, code, k, off, caplen, wirelen)
            if x < 0:
                return False
        elif kind == ALU:
            operand = k
            if code & OPERAND_X:
                operand = x
            a = compute(code & 0xF0, a, operand)
            if a < 0:
                return False
        elif kind == MISC:
            if code & 0xF8 == TXA:
                a = x
            else:
                x = a
        else:
            if k >= MEMORY:
                return False
            if kind == ST:
                memory[k] = a
            else:
                memory[k] = x
    return False


def load(slab: U8, memory: I64, code: int, k: int, x: int, off: int, caplen: int, wirelen: int) -> int:
    """The value that an LD instruction gives to A, or -1 where it cannot be loaded."""
    mode = code & 0xE0
    if mode == IMM:
        return k
    if mode == LEN:
        return wirelen
    if mode == MEM:
        if k >= MEMORY:
            return -1
        return int(memory[k]) + 0
    at = k
    if mode == IND:
        at = x + k
    elif mode != ABS:
        return -1
    size = code & 0x18
    if size == WORD:
        if at + 4 > caplen:
            return -1
        return be32(slab, off + at)
    if size == HALF:
        if at + 2 > caplen:
            return -1
        return be16(slab, off + at)
    if size != BYTE or at >= caplen:
        return -1
    return u8(slab, off + at)


def load_x(slab: U8, memory: I64, code: int, k: int, off: int, caplen: int, wirelen: int) -> int:
    """The value that an LDX instruction gives to X, or -1. MSH is the length of an IPv4 header, from its first byte."""
    mode = code & 0xE0
    if mode == MSH:
        if k >= caplen:
            return -1
        return (u8(slab, off + k) & 15) * 4
    if mode == IMM:
        return k
    if mode == LEN:
        return wirelen
    if mode == MEM and k < MEMORY:
        return int(memory[k]) + 0
    return -1


def compute(operation: int, a: int, operand: int) -> int:
    """A after an ALU instruction, modulo 2**32, or -1 for a division by zero and an operation that is none."""
    if operation == ADD:
        return (a + operand) & MASK
    if operation == SUB:
        return (a - operand) & MASK
    if operation == AND:
        return a & operand
    if operation == OR:
        return a | operand
    if operation == XOR:
        return a ^ operand
    if operation == LSH:
        if operand > 31:
            return 0
        return (a << operand) & MASK
    if operation == RSH:
        if operand > 31:
            return 0
        return a >> operand
    if operation == MUL:  # by halves: the product of two 32-bit numbers does not fit a signed 64-bit one
        return (a * (operand & 0xFFFF) + ((a * (operand >> 16) & 0xFFFF) << 16)) & MASK
    if operation == NEG:
        return -a & MASK
    if operand == 0:
        return -1
    if operation == DIV:
        return a // operand
    if operation == MOD:
        return a % operand
    return -1


def compare(operation: int, a: int, operand: int) -> bool:
    """Whether a conditional jump is taken to its `jt`."""
    if operation == JEQ:
        return a == operand
    if operation == JGT:
        return a > operand
    if operation == JGE:
        return a >= operand
    return operation == JSET and a & operand != 0
