#!/usr/bin/env python3
"""Write data files as C arrays, so that the program carries its default tables.

usage: embed.py HEADER ARRAY OUTPUT.c FILE...   (run by the build; sorted by name so that builds repeat)

HEADER declares `extern const sl_embedded_file ARRAY[];` and `extern const size_t ARRAY_count;`.
"""
import os
import sys


LARGE = 64 * 1024


def main():
    header, array, output = sys.argv[1:4]
    files = sorted(sys.argv[4:], key=os.path.basename)
    with open(output, "w", encoding="ascii") as out:
        out.write(f'#include "{header}"\n')
        for index, name in enumerate(files):
            data = open(name, "rb").read()
            if len(data) > LARGE:
                # An array of a million numbers takes the compiler seconds; the assembler just reads.
                path = os.path.abspath(name).replace("\\", "\\\\").replace('"', '\\"')
                out.write(f'__asm__(".pushsection .rodata\\n.balign 16\\nsl_file_{index}:\\n"\n'
                          f'        ".incbin \\"{path}\\"\\n.byte 0\\n.popsection\\n");\n'
                          f'extern const uint8_t file_{index}[{len(data) + 1}] '
                          f'__asm__("sl_file_{index}") __attribute__((visibility("hidden")));\n')
                continue
            out.write(f"static const uint8_t file_{index}[] = {{\n")
            for at in range(0, len(data), 20):
                out.write(" ".join(f"{b}," for b in data[at:at + 20]) + "\n")
            out.write("0 };\n")
        out.write(f"const sl_embedded_file {array}[] = {{\n")
        for index, name in enumerate(files):
            out.write(f'{{ "{os.path.basename(name)}", file_{index}, sizeof file_{index} - 1 }},\n')
        out.write(f"}};\nconst size_t {array}_count = {len(files)};\n")


if __name__ == "__main__":
    main()
