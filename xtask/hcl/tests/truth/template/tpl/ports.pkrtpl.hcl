%{ for p in ports ~}
Listen ${p}
%{ endfor ~}
