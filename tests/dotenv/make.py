"""Writes vectors.json: dotenv texts, and what python-dotenv reads in them.

    python3 -m venv venv && venv/bin/pip install python-dotenv && venv/bin/python tests/dotenv/make.py
"""

import importlib.metadata
import json
import os
import pathlib
import tempfile

TEXTS = r"""
A=1
A = 1
 A=1
	A	=	1
A=
A= 
A
A 
=1
 = 1
A==1
A=b=c
A=1 2
A= 1 2 
A='1'
A="1"
A=''
A=""
A=' 1 '
A=" 1 "
A='1' 
A='1'2
A="1"2
A="1" "2"
A='it''s'
A='it\'s'
A="say \"hi\""
A='say \"hi\"'
A="it\'s"
A='a\\b'
A="a\\b"
A=a\\b
A='a\nb'
A="a\nb"
A=a\nb
A="\a\b\f\n\r\t\v"
A='\a\b\f\n\r\t\v'
A="\x41\u0041\101\0"
A="\q\ \$\{"
A="\\n"
A="\\\n"
A="\\"
A='\\'
A="\"
A='\'
A="\\\""
A='\\\''
A="
A='
A="1
A='1
A=1"
A=1'
A=it's
A=say "hi"
A=`1`
A=`1
#A=1
 # A=1
A=1#2
A=1 #2
A=1 # 2
A=1	# 2
A=#1
A= #1
A=  # 1
A=	#1
A='1' # 2
A='1'# 2
A="1" #2
A="1#2"
A='1 # 2'
A="1" # it's "fine"
A # 1
A# 1
A#=1
A=a # b # c
A=a#b # c
A=a ## b
A=http://h/#x
A=p@ss#word!
export A=1
export  A=1
export	A=1
 export A=1
export A
export
export=1
export =1
export 'A'=1
export export=1
export#=1
export # 1
exportA=1
EXPORT A=1
export A = '1'
'A'=1
'A B'=1
'A=B'=1
'A' = '1'
'A
''=1
"A"=1
"A B"=1
A B=1
A B
A:1
A: 1
A.B=1
A-B=1
1=1
A[0]=1
é=ü
A=日本語 テスト
A="日本語"
A=$B
A=$$
A=$(id)
A=`id`
A=${B}
A=${B:-1}
A=${B:-}
A=${B-1}
A=${B:1}
A=${B:=1}
A=${}
A=${:-1}
A=${B
A=${B:-1
A=$B}
A=${B:-a b}
A=${B:-${C}}
A=${B:-${C:-1}}
A=${B:-a:-b}
A='${B:-1}'
A="${B:-1}"
A="${B:-\n}"
A=\${B:-1}
A="\${B:-1}"
A=a${B:-1}b${C:-2}c
A=$${B:-1}
A=${ B :-1}
A=${B:-#1}
A=${B:- # 1}
A=${B} # 1
A=${PATH}${HOME}
A=${A}
A=${A:-1}
A=1;B=2
A=1\
A=!@#$%^&*()
A=<>|&;
A=~/x
A=*
A="tab	in"
A=a	b
A={"a": "b"}
A='{"a": "b"}'
A=postgres://u:p@h:5432/d?x=1&y=2
A=-----BEGIN KEY-----
?
-
--
$
$A=1
,A=1
""".strip("\n").split("\n")

TEXTS += [
    "",
    "\n",
    " \n\t\n",
    "A=1\nB=2\n",
    "A=1\n\n\nB=2",
    "A=1\r\nB=2\r\n",
    "A=1\rB=2\r",
    "A=\r\nB=2",
    "A='1\r\n2'\r\nB=3",
    "\ufeffA=1",
    "\ufeff\nA=1",
    "\ufeff# comment\nA=1",
    "A=\ufeff1",
    "A=1\nA=2\n",
    "A=1\nB=2\nA=3\n",
    "A=1\nA\n",
    "A\nA=1\n",
    "A=1\nA=\nB=${A:-3}\n",
    "A\nB=${A:-3}\n",
    "A=1\nB=${A}\n",
    "B=${A}\nA=1\nB2=${A}",
    "A=1\nA=${A}2\nA=${A}3\n",
    "A=a b\nB='${A}'\nC=\"${A}\"\n",
    "A=${B:-1}\nB=2\nC=${B:-1}\n",
    "A=$\nB=${A}{A}\n",
    "A='$'\nB=${A}{A}\n",
    "A=1\nB=${A}${A:-2}${C}${C:-3}\n",
    "'A B'=1\nC=${A B}\n",
    "A='1\n2'\nB=3",
    'A="1\n2"\nB=3',
    'A="1\n\n2 # 3\n"\nB=3',
    'A="1\\\n2"\nB=3',
    "A='1\\\n2'\nB=3",
    "A='1\n2' # c\nB=3",
    "A='1\n2' x\nB=3",
    "A='1\nB=2\n",
    "A='1\nB='2'\n",
    'A="1\nB="2"\nC=3\n',
    "A=1\nB C\nD=2\n",
    "\n\nA B\n\n=1\nC=3",
    "A =\nB=2",
    "A\n=1\nB=2",
    "A=\n=1\nB=2",
    "export\nA=1",
    "export \nA=1",
    "export\tA=1\nexport B=${A}",
    "'A\nB'=1\nC=2",
    "# a\n# b\nA=1 # c\n# d",
    "#\n#A=1\nB=2",
    "A=\u00a01\u00a0",
    "A\u00a0=\u00a01\u2003# x",
    "A=1\u2028B=2",
    "A=1\x85B=2",
    "A=1\x0bB=2\x0c",
    "A=1\x1c# x",
    "A=1\x1f",
    "A\x1c=1",
    "A=1\x00",
    "A=\U0001f600 \u0301",
    "A=\u200b1",
    "A=1 \t ",
    'A="1"\t \nB=2',
    'A="1" x\nB=2',
    "SECRET_KEY='x)!$#y\\'z'\nDEBUG=False\nALLOWED=a,b\n",
    'KEY="-----BEGIN-----\nabc\n-----END-----\n"\nB=1\n',
    "A=" + "x" * 500,
    "A=1\n" * 3 + "A",
    "\n" * 5 + "A='",
]


def vector(text, path):
    """The values in order, and the lines where a binding that is not understood begins."""
    import dotenv.parser

    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    skipped = []
    with open(path, encoding="utf-8") as file:
        for binding in dotenv.parser.parse_stream(file):
            if binding.error:
                read = binding.original.string
                blank = read[: len(read) - len(read.lstrip())]
                skipped.append(binding.original.line + blank.count("\n"))
    values = dotenv.dotenv_values(path, interpolate=True)
    return {"text": text, "values": list(values.items()), "skipped": skipped}


def main():
    os.environ.clear()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "env")
        vectors = [vector(text, path) for text in TEXTS]
    version = importlib.metadata.version("python-dotenv")
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    target = pathlib.Path(__file__).with_name("vectors.json")
    target.write_text(f'{{"python-dotenv": "{version}", "vectors": [\n{lines}\n]}}\n')


main()
